using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Multiboot;

/// <summary>A test that needs Xen and Linux; skipped, with the reason, where the host's package tools cannot give them.</summary>
internal sealed class XenFactAttribute : FactAttribute
{
    public XenFactAttribute() => Skip = CachedFile.Xen.Problem ?? LinuxImage.Problem;
}
