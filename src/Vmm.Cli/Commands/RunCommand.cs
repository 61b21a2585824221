using System.Runtime.InteropServices;
using Vmm.Cli.Arguments;
using Vmm.Cli.Control;
using Vmm.Cli.Terminal;
using Vmm.Kernel;
using Vmm.Kernel.Plugins;
using Vmm.Machine;
using Vmm.Machine.Boards;
using Vmm.Machine.Configuration;
using Vmm.Machine.Images;
using Vmm.Machine.Snapshots;
using Vmm.Sdk;

namespace Vmm.Cli.Commands;

/// <summary><c>vmm run</c>: builds a machine, gives it the terminal, waits for its end.</summary>
internal static class RunCommand
{
    /// <summary>
    /// Command line of the ready-made Linux: the console, and an end instead of a hang when the kernel panics.
    /// Nothing that would make it faster than it is elsewhere.
    /// </summary>
    private const string LinuxCommandLine = "console=ttyS0 panic=-1";

    private const string KeysHelp = "\nCtrl-A X  quit    Ctrl-A Ctrl-A  send Ctrl-A    Ctrl-A H  this help\n";

    public static Command Command { get; } = new(
        "run", "[NAME|machine.json] [options]", "Runs a virtual machine; 'vmm run linux' boots a ready-made Linux.", RunOptions.All, RunAsync, RunOptions.Details);

    private static async Task<int> RunAsync(ParsedArguments arguments)
    {
        using CancellationTokenSource stop = new();
        using EndingSignals signals = new(stop);
        (string? machineFile, string? image) = RunOptions.Target(arguments);
        using PluginHost plugins = Plugins.OpenOwn();
        List<KeyValuePair<string, string?>> values = [];
        if (image is not null)
        {
            values.AddRange(await ImageValuesAsync(image, stop.Token).ConfigureAwait(false));
        }

        values.AddRange(RunOptions.ToConfiguration(arguments));
        using SavedMachine? saved = arguments.Find(RunOptions.Restore) is { } file ? SavedMachine.Open(file) : null;
        MachineDescription description = saved?.Describe(Unique(values)) ?? Read(MachineConfiguration.Load(machineFile, Unique(values)));
        Messages log = new(arguments.Has(RunOptions.Verbose) ? DeviceLogLevel.Debug : DeviceLogLevel.Warning);
        plugins.Look(description.PluginFolders);
        using RawTerminal? terminal = description.Serial == "stdio" ? RawTerminal.Enter() : null;
        EscapeKeys? keys = terminal is null ? null : new EscapeKeys(stop.Cancel, () => Messages.Text(KeysHelp));
        MachineBuilder builder = new(plugins, Engines.Create(description.Engine, description.EngineOptions), log, () => new StandardStreams(keys));
        VmOutcome outcome;
        VirtualMachineStatistics statistics;
        await using (AssembledMachine machine = saved is null ? builder.Build(description) : builder.Restore(saved, description))
        {
            using ControlServer? control = Listen(arguments.Find(RunOptions.Name), machine, log);
            outcome = await machine.RunAsync(stop.Token).ConfigureAwait(false);
            statistics = machine.VirtualMachine.Statistics;
        }

        terminal?.Dispose();
        if (arguments.Has(RunOptions.Statistics))
        {
            Messages.Text(ExitReport.Format(statistics));
        }

        if (outcome is VmOutcome.Faulted fault)
        {
            Messages.Line($"vmm: {fault.Message}");
        }

        return signals.Received is { } signal ? ExitStatus.SignalBase + signal : ExitStatus.Of(outcome);
    }

    private static MachineDescription Read(MachineConfiguration configuration)
    {
        foreach (string warning in configuration.Warnings)
        {
            Messages.Line($"vmm: {warning}");
        }

        return MachineReader.Read(configuration);
    }

    /// <summary>Opens the machine's ear. A machine without a name of its own runs as well where it cannot be reached.</summary>
    private static ControlServer? Listen(string? name, AssembledMachine machine, Messages log)
    {
        try
        {
            return ControlServer.Start(name, machine);
        }
        catch (MachineException e) when (name is null)
        {
            log.Write(DeviceLogLevel.Information, machine.Description.Name, e.Message);
            return null;
        }
    }

    private static async Task<IReadOnlyList<KeyValuePair<string, string?>>> ImageValuesAsync(string name, CancellationToken cancellation)
    {
        MachineImage image = await ImageCache.OfUser().GetAsync(name, new ProgressBar(), refresh: false, cancellation).ConfigureAwait(false);
        return [new("kernel", image.Kernel), new("initrd:0", image.Initrd), new("cmdline", LinuxCommandLine)];
    }

    /// <summary>What is given on the command line replaces what the image says.</summary>
    private static Dictionary<string, string?> Unique(IEnumerable<KeyValuePair<string, string?>> values)
    {
        Dictionary<string, string?> unique = new(StringComparer.OrdinalIgnoreCase);
        foreach ((string key, string? value) in values)
        {
            unique[key] = value;
        }

        return unique;
    }

    /// <summary>Signals that end the machine in an orderly way.</summary>
    private sealed class EndingSignals : IDisposable
    {
        private readonly PosixSignalRegistration[] _registrations;

        public EndingSignals(CancellationTokenSource stop)
        {
            (PosixSignal Signal, int Number)[] signals = [(PosixSignal.SIGHUP, 1), (PosixSignal.SIGINT, 2), (PosixSignal.SIGQUIT, 3), (PosixSignal.SIGTERM, 15)];
            _registrations = Array.ConvertAll(signals, signal => PosixSignalRegistration.Create(signal.Signal, context =>
            {
                context.Cancel = true;
                if (Received is not null)
                {
                    // The orderly end takes too long for whoever asks twice; the terminal is restored at exit.
                    Environment.Exit(ExitStatus.SignalBase + signal.Number);
                }

                Received = signal.Number;
                stop.Cancel();
            }));
        }

        /// <summary>Number of the first one that came.</summary>
        public int? Received { get; private set; }

        public void Dispose() => Array.ForEach(_registrations, registration => registration.Dispose());
    }
}
