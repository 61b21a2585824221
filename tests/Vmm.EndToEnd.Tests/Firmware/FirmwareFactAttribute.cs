using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Firmware;

/// <summary>A test that needs stock SeaBIOS; skipped, with the reason, where the host's package tools cannot give it.</summary>
internal sealed class FirmwareFactAttribute : FactAttribute
{
    public FirmwareFactAttribute() => Skip = CachedFile.SeaBios.Problem ?? CachedFile.SmallSeaBios.Problem;
}
