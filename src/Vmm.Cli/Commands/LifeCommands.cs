using Vmm.Cli.Arguments;
using Vmm.Cli.Control;
using Vmm.Cli.Terminal;

namespace Vmm.Cli.Commands;

/// <summary><c>vmm pause</c>, <c>vmm resume</c> and <c>vmm save</c>: they act on a running VM.</summary>
internal static class LifeCommands
{
    private static readonly Option Stop = new("stop", null, "end the machine once it is saved");
    private static readonly Option Incremental = new("incremental", null, "only memory that changed since the last incremental save, whose file is needed too");

    public static Command Pause { get; } = new(
        "pause", "NAME", "Halts a running machine; its time stands still.", [], arguments => Ask(arguments, "pause", ControlRequest.Pause));

    public static Command Resume { get; } = new(
        "resume", "NAME", "Lets a paused machine go on.", [], arguments => Ask(arguments, "resume", ControlRequest.Resume));

    public static Command Save { get; } = new(
        "save", "NAME FILE [options]", "Saves a running machine into a file, from which 'vmm run --restore FILE' goes on.", [Stop, Incremental], SaveAsync,
        """

        The guest stands still while it is saved, and goes on afterwards unless --stop is given. Content of disks is
        not in the file: a disk that the guest writes to afterwards does not fit the saved machine any more.

        """);

    private static Task<int> Ask(ParsedArguments arguments, string command, string verb)
    {
        if (arguments.Words is not [var name])
        {
            throw new UsageException($"'{command}' needs the name of a running machine; 'vmm stat' lists them.");
        }

        ControlClient.Ask(name, new ControlRequest(verb));
        return Task.FromResult(ExitStatus.Success);
    }

    private static Task<int> SaveAsync(ParsedArguments arguments)
    {
        if (arguments.Words is not [var name, var file])
        {
            throw new UsageException("'save' needs the name of a running machine and a file.");
        }

        string path = Path.GetFullPath(file);
        ControlClient.Ask(name, new ControlRequest(ControlRequest.Save, path, arguments.Has(Incremental.Name), arguments.Has(Stop.Name)));
        Messages.Line($"vmm: {name} is saved in {file} ({new FileInfo(path).Length >> 20} MiB).");
        return Task.FromResult(ExitStatus.Success);
    }
}
