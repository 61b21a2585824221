namespace Vmm.Engine.Software.Tests.Differential.Native;

/// <summary>A test that runs code on the host processor; skipped, with the reason, where that cannot be.</summary>
internal sealed class NativeFactAttribute : FactAttribute
{
    public NativeFactAttribute() => Skip = HostProcessor.Obstacle;
}
