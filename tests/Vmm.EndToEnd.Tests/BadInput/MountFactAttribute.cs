using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.BadInput;

/// <summary>A test that mounts in a namespace of its own; skipped, with the reason, where the host allows none (many containers).</summary>
internal sealed class MountFactAttribute : FactAttribute
{
    public MountFactAttribute() => Skip = Privilege.MountProblem;
}
