using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Linux;

/// <summary>A booted Linux with a disk, shared by the tests of a class: booting is what takes the time.</summary>
public class LinuxMachine : IAsyncLifetime
{
    private const long DiskBytes = 4 << 20;
    private readonly TemporaryFolder _folder = new();
    private VmmProcess? _process;

    /// <summary>The options that say what is plugged in.</summary>
    protected virtual IEnumerable<string> Hardware => ["--disk", $"path={Disk}"];

    internal VmmProcess Process => _process!;

    internal Shell Shell { get; private set; } = null!;

    internal string Disk { get; private set; } = "";

    public async Task InitializeAsync()
    {
        if (LinuxImage.Problem is not null)
        {
            return;
        }

        Disk = _folder.Disk("disk.raw", DiskBytes);
        _process = VmmProcess.Start(["run", "linux", "--no-reboot", .. Hardware]);
        Shell = await Shell.WaitAsync(_process);
    }

    public async Task DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        _folder.Dispose();
    }
}
