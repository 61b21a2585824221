using System.Text;
using System.Threading.Channels;
using Vmm.EndToEnd.Tests.Harness;
using Vmm.Engine.Software;
using Vmm.Kernel;
using Vmm.Kernel.Plugins;
using Vmm.Machine.Boards;
using Vmm.Machine.Channels;
using Vmm.Machine.Configuration;
using Vmm.Machine.Snapshots;
using Vmm.Sdk;

namespace Vmm.EndToEnd.Tests.Linux;

/// <summary>A Linux machine inside the test's own process, as a program that uses the platform as a library has it.</summary>
internal sealed class InProcessMachine : IGuestConsole, IAsyncDisposable
{
    private readonly PluginHost _plugins = PluginHost.Open([Path.Combine(Path.GetDirectoryName(VmmProcess.Executable)!, "plugins")]);
    private readonly Endpoint _console = new();
    private readonly AssembledMachine _machine;
    private Task<VmOutcome>? _run;

    /// <summary>Boots Linux.</summary>
    public InProcessMachine(string disk)
        : this(new Dictionary<string, string?>
        {
            ["kernel"] = LinuxImage.Image.Kernel,
            ["initrd:0"] = LinuxImage.Image.Initrd,
            ["cmdline"] = "console=ttyS0 panic=-1",
            ["noReboot"] = "on",
            ["disks:disk0:path"] = disk,
        }) => Run();

    /// <summary>Builds any machine; <see cref="Run"/> starts it.</summary>
    public InProcessMachine(Dictionary<string, string?> values)
    {
        MachineDescription description = MachineReader.Read(MachineConfiguration.Load(null, values, new Dictionary<string, string>()));
        _machine = new MachineBuilder(_plugins, new SoftwareEngine(), _console, () => _console).Build(description);
    }

    /// <summary>Restores a machine; <see cref="Run"/> lets it go on.</summary>
    public InProcessMachine(SavedMachine saved, IEnumerable<KeyValuePair<string, string?>> disks)
    {
        MachineDescription description = saved.Describe(disks, new Dictionary<string, string>());
        _machine = new MachineBuilder(_plugins, new SoftwareEngine(), _console, () => _console).Restore(saved, description);
    }

    public AssembledMachine Machine => _machine;

    /// <summary>Starts the guest, or lets it go on.</summary>
    public void Run() => _run = _machine.RunAsync();

    public Task<string> ExpectAsync(string text, TimeSpan deadline) => _console.Output.ExpectAsync(text, deadline);

    public Task TypeAsync(string text) => _console.Input.Writer.WriteAsync(Encoding.ASCII.GetBytes(text)).AsTask();

    /// <summary>Waits for the end that a guest chooses.</summary>
    public async Task WaitForPowerOffAsync()
    {
        Assert.IsType<VmOutcome.PoweredOff>(await _run!.WaitAsync(Deadlines.Command));
        Assert.Empty(_console.Messages);
    }

    public async ValueTask DisposeAsync()
    {
        _console.Input.Writer.Complete();
        await _machine.DisposeAsync();
        _plugins.Dispose();
    }

    /// <summary>The outer end of the serial line, and of the log.</summary>
    private sealed class Endpoint : ICharacterEndpoint, IHostLog
    {
        public Transcript Output { get; } = new();

        public Channel<byte[]> Input { get; } = Channel.CreateUnbounded<byte[]>();

        public List<string> Messages { get; } = [];

        public void Write(ReadOnlySpan<byte> data) => Output.Append(data);

        public int Read(Span<byte> buffer)
        {
            // Lines are typed one by one and are shorter than the buffer of any channel.
            if (!Input.Reader.WaitToReadAsync().AsTask().Result || !Input.Reader.TryRead(out byte[]? typed))
            {
                return 0;
            }

            typed.CopyTo(buffer);
            return typed.Length;
        }

        public void Write(DeviceLogLevel level, string source, string message)
        {
            if (level >= DeviceLogLevel.Warning)
            {
                lock (Messages)
                {
                    Messages.Add($"{source}: {message}");
                }
            }
        }

        public void Dispose() => Output.End();
    }
}
