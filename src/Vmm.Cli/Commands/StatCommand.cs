using System.Text;
using Vmm.Cli.Arguments;
using Vmm.Cli.Control;
using Vmm.Cli.Terminal;
using Vmm.Machine;

namespace Vmm.Cli.Commands;

/// <summary><c>vmm stat</c>: what running VMs have done so far.</summary>
internal static class StatCommand
{
    public static Command Command { get; } = new(
        "stat", "[NAME]", "Shows exits, their times and engine counters of a running machine, or of all.", [], RunAsync);

    private static Task<int> RunAsync(ParsedArguments arguments)
    {
        IReadOnlyList<string> names = arguments.Words switch
        {
            [var name] => [name],
            [] => RuntimeFolder.OfUser().Running(),
            _ => throw new UsageException("'stat' takes one name at most."),
        };
        if (names.Count == 0)
        {
            throw new MachineException("No machine is running.");
        }

        foreach (string name in names)
        {
            byte[] table = ControlClient.Ask(name, new ControlRequest(ControlRequest.Statistics));
            FileDescriptor.Write(FileDescriptor.StandardOutput, names.Count == 1 ? table : [.. Encoding.UTF8.GetBytes($"{name}\n"), .. table, (byte)'\n']);
        }

        return Task.FromResult(ExitStatus.Success);
    }
}
