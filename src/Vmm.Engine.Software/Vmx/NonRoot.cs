using Vmm.Engine.Software.Memory;

namespace Vmm.Engine.Software.Vmx;

/// <summary>VMX non-root operation: everything that the controls of the current VMCS make a processor do differently.</summary>
internal sealed unsafe partial class NonRoot(LogicalProcessor processor) : IMemoryExits
{
    private readonly LogicalProcessor _processor = processor;

    /// <summary>Between a VM entry and the exit that leaves.</summary>
    public bool IsActive { get; private set; }

    /// <summary>EPT pointer of the current VMCS; 0 when EPT is off and guest-physical addresses are host-physical ones.</summary>
    public ulong EptPointer { get; private set; }
}
