namespace Vmm.Engine.Software.Tests.Differential.Native;

/// <summary>As <see cref="NativeFactAttribute"/>, with data.</summary>
internal sealed class NativeTheoryAttribute : TheoryAttribute
{
    public NativeTheoryAttribute() => Skip = HostProcessor.Obstacle;
}
