namespace Vmm.Benchmarks.Peers;

/// <summary>
/// Bochs, an interpreter. It has no loader for kernels, so it boots a disk of ours. Debian's build has the debugger in
/// it, which makes it slower than Bochs has to be.
/// </summary>
/// <param name="folder">Where its files go.</param>
internal sealed class BochsPeer(string folder) : IPeer
{
    private const string Program = "bochs";
    private const string Firmware = "/usr/share/bochs/BIOS-bochs-latest";
    private const string VideoFirmware = "/usr/share/bochs/VGABIOS-lgpl-latest";

    public string Name => "Bochs";

    public string? Missing { get; } = SearchPath.Missing(Program, "bochs bochsbios")
        ?? (File.Exists(Firmware) && File.Exists(VideoFirmware) ? null : $"Bochs has no firmware in {Path.GetDirectoryName(Firmware)}: apt-get install bochsbios");

    /// <summary>The debugger waits to be told to continue; other builds have nobody who reads this.</summary>
    public string Input => "c\n";

    public IReadOnlyList<string> Command(LinuxGuest guest)
    {
        string disk = Path.Combine(folder, "bochs.disk");
        long sectors = BootDisk.Write(disk, guest);
        string configuration = Path.Combine(folder, "bochsrc");
        File.WriteAllText(configuration, Configuration(disk, sectors / (BootDisk.Heads * BootDisk.SectorsPerTrack)));
        return [Program, "-q", "-f", configuration];
    }

    // The "rfb" display is the only one that needs neither a terminal nor a window system; nobody connects to it.
    private static string Configuration(string disk, long cylinders) =>
        $"""
        megs: 512
        cpu: model=corei7_sandy_bridge_2600k, count=1, ips=50000000
        romimage: file={Firmware}
        vgaromimage: file={VideoFirmware}
        display_library: rfb, options="timeout=0"
        sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
        speaker: enabled=0
        ata0-master: type=disk, path={disk}, mode=flat, cylinders={cylinders}, heads={BootDisk.Heads}, spt={BootDisk.SectorsPerTrack}
        boot: disk
        com1: enabled=1, mode=file, dev=/dev/stdout
        log: /dev/null
        panic: action=fatal
        error: action=ignore
        info: action=ignore

        """;
}
