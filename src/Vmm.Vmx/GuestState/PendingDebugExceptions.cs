namespace Vmm.Vmx;

/// <summary>Pending debug exceptions (SDM Vol. 3C 25.4.2, table 25-4).</summary>
[Flags]
public enum PendingDebugExceptions : ulong
{
    None = 0,
    B0 = 1ul << 0,
    B1 = 1ul << 1,
    B2 = 1ul << 2,
    B3 = 1ul << 3,
    BusLockDetected = 1ul << 11,
    EnabledBreakpoint = 1ul << 12,
    SingleStep = 1ul << 14,
    Rtm = 1ul << 16,
}
