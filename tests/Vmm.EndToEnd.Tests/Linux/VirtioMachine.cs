namespace Vmm.EndToEnd.Tests.Linux;

/// <summary>A booted Linux whose disk, entropy and network are virtio devices: two network devices on one segment.</summary>
public sealed class VirtioMachine : LinuxMachine
{
    protected override IEnumerable<string> Hardware =>
        ["--disk", $"path={Disk},device=virtio-block", "--device", "virtio-rng", "--net", "hub,segment=lab,mac=52:54:00:00:00:01", "--net", "hub,segment=lab"];
}
