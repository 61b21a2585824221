using System.Reflection;
using System.Text;
using Vmm.Cli;
using Vmm.Cli.Arguments;
using Vmm.Cli.Commands;
using Vmm.Cli.Terminal;
using Vmm.Kernel.Plugins;
using Vmm.Machine;

Command[] commands =
[
    RunCommand.Command, StatCommand.Command, InspectCommand.Command, LifeCommands.Pause, LifeCommands.Resume, LifeCommands.Save,
    PluginCommand.Command, ImageCommand.Command, DoctorCommand.Command,
];
try
{
    return await DispatchAsync(args).ConfigureAwait(false);
}
catch (UsageException e)
{
    Messages.Line($"vmm: {e.Message}");
    Messages.Line("'vmm --help' shows what there is.");
    return ExitStatus.Usage;
}
catch (Exception e) when (e is MachineException or PluginException)
{
    Messages.Line($"vmm: {e.Message}");
    return ExitStatus.Usage;
}
catch (OperationCanceledException)
{
    return ExitStatus.SignalBase + 2;
}
catch (Exception e)
{
    Messages.Line($"vmm: a fault of vmm itself: {e}");
    return ExitStatus.Fault;
}

async Task<int> DispatchAsync(string[] arguments)
{
    switch (arguments)
    {
        case [] or ["--help" or "-h" or "help"]:
            Print(Help.Program(commands));
            return arguments is [] ? ExitStatus.Usage : ExitStatus.Success;
        case ["--version"]:
            Print($"vmm {Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0]}\n");
            return ExitStatus.Success;
    }

    Command command = Array.Find(commands, candidate => candidate.Name == arguments[0]) ?? throw Unknown(arguments[0]);
    if (arguments[1..] is ["--help" or "-h", ..])
    {
        Print(Help.For(command));
        return ExitStatus.Success;
    }

    return await command.Run(ParsedArguments.Parse(arguments.AsSpan(1), command.Options)).ConfigureAwait(false);
}

UsageException Unknown(string name)
{
    string? nearest = NearestName.Find(name, commands.Select(command => command.Name));
    return new UsageException($"'{name}' is not a command{(nearest is null ? "" : $"; did you mean '{nearest}'?")}");
}

static void Print(string text) => FileDescriptor.Write(FileDescriptor.StandardOutput, Encoding.UTF8.GetBytes(text));
