namespace Vmm.EndToEnd.Tests;

/// <summary>A test that needs the ready-made Linux; skipped, with the reason, where the host's package tools cannot give it.</summary>
internal sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute() => Skip = Harness.LinuxImage.Problem;
}
