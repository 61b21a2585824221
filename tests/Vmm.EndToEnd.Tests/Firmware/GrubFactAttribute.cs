using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Firmware;

/// <summary>A test that needs SeaBIOS, GRUB and Linux; skipped, with the reason, where the host's package tools cannot give them.</summary>
internal sealed class GrubFactAttribute : FactAttribute
{
    public GrubFactAttribute() => Skip = CachedFile.SeaBios.Problem ?? GrubDisk.Problem;
}
