using System.Text;
using Vmm.Cli.Arguments;
using Vmm.Cli.Control;
using Vmm.Cli.Terminal;
using Vmm.Kernel;
using Vmm.Machine;
using Vmm.Sdk;

namespace Vmm.Cli.Commands;

/// <summary><c>vmm inspect</c>: the state of a running VM, which stands still for a moment, or of a saved one. No plugin is loaded.</summary>
internal static class InspectCommand
{
    private static readonly Option Json = new("json", null, "as JSON, with bytes in full");

    public static Command Command { get; } = new(
        "inspect", "NAME|FILE [PART] [--json]", "Shows the state of a running or saved machine, or of one part such as device/com1.", [Json], RunAsync);

    private static Task<int> RunAsync(ParsedArguments arguments)
    {
        (string target, string? part) = arguments.Words switch
        {
            [var only] => (only, null),
            [var machine, var path] => (machine, path),
            _ => throw new UsageException("'inspect' needs the name of a running machine or a file, and at most one part."),
        };
        try
        {
            using SnapshotReader reader = Open(target);
            IReadOnlyList<StateSection> all = reader.ReadSections();
            IReadOnlyList<StateSection> sections = [.. all.Where(section => part is null || section.Path == part)];
            if (sections.Count == 0)
            {
                string? nearest = NearestName.Find(part ?? "", all.Select(section => section.Path));
                throw new MachineException($"{target}: there is no part '{part}'{(nearest is null ? "" : $"; did you mean '{nearest}'?")} (there is {string.Join(", ", all.Select(section => section.Path))})");
            }

            string text = arguments.Has(Json.Name) ? StateText.Json(reader, sections) : StateText.Plain(reader, sections);
            FileDescriptor.Write(FileDescriptor.StandardOutput, Encoding.UTF8.GetBytes(text));
            return Task.FromResult(ExitStatus.Success);
        }
        catch (StateException e)
        {
            throw new MachineException(e.Message, e);
        }
    }

    private static SnapshotReader Open(string target) =>
        File.Exists(target) && !(RuntimeFolder.IsName(target) && RuntimeFolder.OfUser().Running().Contains(target))
            ? SnapshotReader.Open(target)
            : target.Contains('/', StringComparison.Ordinal)
                ? throw new MachineException($"{target}: there is no such file.")
                : new SnapshotReader(new MemoryStream(ControlClient.Ask(target, new ControlRequest(ControlRequest.State))), target);
}
