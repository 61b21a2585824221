using Vmm.Engine.Software.Tests.Differential.Native;

namespace Vmm.Engine.Software.Tests.X87;

/// <summary>A theory that needs the host processor's answers.</summary>
public sealed class NativeTheoryAttribute : TheoryAttribute
{
    public NativeTheoryAttribute() => Skip = HostProcessor.Obstacle;
}
