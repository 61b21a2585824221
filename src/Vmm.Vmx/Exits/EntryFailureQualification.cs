namespace Vmm.Vmx;

/// <summary>Exit qualification of VM-entry failures due to invalid guest state (SDM Vol. 3C 27.8).</summary>
public enum EntryFailureQualification : ulong
{
    /// <summary>Any of the other checks.</summary>
    Other = 0,

    /// <summary>The PDPTEs could not be loaded.</summary>
    PdpteLoading = 2,

    /// <summary>An NMI was injected into a guest that blocks events after STI.</summary>
    NmiInjection = 3,

    /// <summary>The VMCS link pointer is invalid.</summary>
    VmcsLinkPointer = 4,
}
