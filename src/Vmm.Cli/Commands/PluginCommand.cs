using System.Text;
using Vmm.Cli.Arguments;
using Vmm.Cli.Terminal;
using Vmm.Kernel.Plugins;

namespace Vmm.Cli.Commands;

/// <summary><c>vmm plugin</c>: what there is, what it can do, and why something was refused.</summary>
internal static class PluginCommand
{
    private static readonly Option Folders = new("plugins", "DIR", "more plugins", Repeatable: true);

    public static Command Command { get; } = new(
        "plugin", "list | inspect ID | verify DIR", "Lists plugins, shows one with its options, or checks a folder.", [Folders], RunAsync);

    private static Task<int> RunAsync(ParsedArguments arguments)
    {
        IReadOnlyList<string> more = arguments.All(Folders.Name);
        return Task.FromResult(arguments.Words switch
        {
            ["list"] => List(more),
            ["inspect", var id] => Inspect(id, more),
            ["verify", var folder] => Verify(folder),
            [] => throw new UsageException("'plugin' needs one of list, inspect ID, verify DIR."),
            [var word, ..] => throw new UsageException($"'plugin {string.Join(' ', arguments.Words)}' is not a command; use list, inspect ID or verify DIR"
                + (NearestName.Find(word, ["list", "inspect", "verify"]) is { } nearest && nearest != word ? $"; did you mean '{nearest}'?" : ".")),
        });
    }

    private static int List(IReadOnlyList<string> more)
    {
        using PluginHost host = Plugins.Open(more);
        StringBuilder text = new();
        foreach (PluginDescription plugin in host.Report.Where(candidate => candidate.Accepted).Select(candidate => candidate.Plugin!).OrderBy(plugin => plugin.Id, StringComparer.Ordinal))
        {
            text.Append($"{plugin.Id,-24}{plugin.Version,-10}SDK {plugin.ContractVersion ?? "?",-8}{plugin.Description}\n");
            foreach (ContributionDescription contribution in plugin.Contributions)
            {
                text.Append($"    {contribution.Kind,-18}{contribution.Name,-20}{contribution.Description}\n");
            }
        }

        foreach (PluginCandidate refused in host.Report.Where(candidate => !candidate.Accepted))
        {
            text.Append($"{refused.Plugin?.Id ?? refused.Folder,-24}REFUSED: {refused.Refusal}\n");
        }

        Print(text.Length == 0 ? "There are no plugins.\n" : text.ToString());
        return ExitStatus.Success;
    }

    private static int Inspect(string id, IReadOnlyList<string> more)
    {
        using PluginHost host = Plugins.Open(more);
        PluginDescription plugin = host.FindPlugin(id);
        StringBuilder text = new($"{plugin.Id} {plugin.Version}, built against SDK {plugin.ContractVersion ?? "(not said)"}\n{plugin.Description}\n{plugin.AssemblyPath}\n");
        foreach (ContributionDescription contribution in plugin.Contributions)
        {
            text.Append($"\n{contribution.Kind} {contribution.Name}: {contribution.Description}\n");
            if (contribution.State is { } state && (contribution.Kind == ContributionKind.Device || state.Support != Sdk.StateSupport.None))
            {
                text.Append($"    state: {state.Support}, version {state.Version}, reads from version {state.OldestReadable}\n");
            }

            foreach (OptionInfo option in host.Options(contribution))
            {
                text.Append($"    {option.Name,-18}{option.Type,-16}{(option.Default is null ? "" : $"[{option.Default}] ")}{option.Description}\n");
            }
        }

        Print(text.ToString());
        return ExitStatus.Success;
    }

    private static int Verify(string folder)
    {
        using PluginHost host = PluginHost.Open([folder]);
        int bad = 0;
        foreach (PluginCandidate candidate in host.Report)
        {
            string? problem = candidate.Refusal ?? Load(host, candidate.Plugin!);
            bad += problem is null ? 0 : 1;
            Print($"{candidate.Plugin?.Id ?? candidate.Folder}: {problem ?? "ok"}\n");
        }

        if (host.Report.Count == 0)
        {
            throw new UsageException($"{folder}: there is no plugin.");
        }

        return bad == 0 ? ExitStatus.Success : ExitStatus.Usage;
    }

    /// <summary>Loads a plugin's code by asking for the options of everything in it.</summary>
    private static string? Load(PluginHost host, PluginDescription plugin)
    {
        try
        {
            foreach (ContributionDescription contribution in plugin.Contributions)
            {
                _ = host.Options(contribution);
            }

            return null;
        }
        catch (PluginException e)
        {
            return e.Message;
        }
    }

    private static void Print(string text) => FileDescriptor.Write(FileDescriptor.StandardOutput, Encoding.UTF8.GetBytes(text));
}
