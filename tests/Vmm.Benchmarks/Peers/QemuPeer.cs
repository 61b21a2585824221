namespace Vmm.Benchmarks.Peers;

/// <summary>QEMU with its translator, TCG.</summary>
internal sealed class QemuPeer : IPeer
{
    private const string Program = "qemu-system-x86_64";

    public string Name => "QEMU TCG";

    public string? Missing { get; } = SearchPath.Missing(Program, "qemu-system-x86");

    public IReadOnlyList<string> Command(LinuxGuest guest) =>
    [
        Program, "-accel", "tcg", "-cpu", "max", "-M", "pc", "-m", "512", "-nographic", "-no-reboot",
        "-kernel", guest.Kernel, "-initrd", guest.Initrd, "-append", guest.CommandLine,
    ];
}
