namespace Vmm.Vmx;

/// <summary>Memory types, as EPT entries, PAT entries and MTRRs encode them (SDM Vol. 3A 12.3).</summary>
public enum MemoryType : byte
{
    Uncacheable = 0,
    WriteCombining = 1,
    WriteThrough = 4,
    WriteProtected = 5,
    WriteBack = 6,

    /// <summary>UC-, in PAT entries only.</summary>
    UncachedMinus = 7,
}
