namespace Vmm.Vmx;

/// <summary>Bits of IA32_VMX_EPT_VPID_CAP (SDM Vol. 3D A.10).</summary>
[Flags]
public enum EptVpidCapabilities : ulong
{
    None = 0,
    ExecuteOnly = 1ul << 0,
    WalkLength4 = 1ul << 6,
    WalkLength5 = 1ul << 7,
    Uncacheable = 1ul << 8,
    WriteBack = 1ul << 14,
    Pages2M = 1ul << 16,
    Pages1G = 1ul << 17,
    Invept = 1ul << 20,
    AccessedAndDirty = 1ul << 21,
    AdvancedExitInformation = 1ul << 22,
    InveptSingleContext = 1ul << 25,
    InveptAllContext = 1ul << 26,
    Invvpid = 1ul << 32,
    InvvpidIndividualAddress = 1ul << 40,
    InvvpidSingleContext = 1ul << 41,
    InvvpidAllContext = 1ul << 42,
    InvvpidSingleContextRetainingGlobals = 1ul << 43,
}
