namespace Vmm.Vmx;

/// <summary>Exit qualification of EPT violations (SDM Vol. 3C 28.2.1, table 28-7).</summary>
/// <param name="Value">The qualification.</param>
public readonly record struct EptViolationQualification(ulong Value)
{
    /// <summary>Encodes an EPT violation.</summary>
    /// <param name="access">Read, write, fetch; read and write together for a read-modify-write.</param>
    /// <param name="permissions">What the EPT entries allow together.</param>
    /// <param name="linearAddressValid">The guest-linear address field is valid.</param>
    /// <param name="isTranslated">The access was to the translation of that linear address, not to a guest paging-structure entry.</param>
    /// <param name="nmiUnblocking">The violation hit an IRET that had unblocked NMIs.</param>
    public static EptViolationQualification Create(EptAccess access, EptAccess permissions, bool linearAddressValid, bool isTranslated, bool nmiUnblocking = false)
        => new((ulong)access & 7
            | ((ulong)permissions & 7) << 3
            | (linearAddressValid ? 1ul << 7 : 0)
            | (linearAddressValid && isTranslated ? 1ul << 8 : 0)
            | (nmiUnblocking ? 1ul << 12 : 0));

    /// <summary>The access that failed.</summary>
    public EptAccess Access => (EptAccess)(Value & 7);

    /// <summary>What the EPT entries allow together; none when an entry is not present.</summary>
    public EptAccess Permissions => (EptAccess)(Value >> 3 & 7);

    /// <summary>The guest-linear address field is valid.</summary>
    public bool IsLinearAddressValid => (Value & 1 << 7) != 0;

    /// <summary>The access was to the translation of the linear address, not to a guest paging-structure entry.</summary>
    public bool IsTranslated => (Value & 1 << 8) != 0;

    /// <summary>The violation hit an IRET that had unblocked NMIs.</summary>
    public bool NmiUnblockingDueToIret => (Value & 1 << 12) != 0;

    public override string ToString()
        => $"{Access} refused, allowed: {Permissions}{(IsLinearAddressValid && !IsTranslated ? ", in a page walk" : "")}";
}

/// <summary>Accesses and permissions of EPT, in the bit order of entries and qualifications.</summary>
[Flags]
public enum EptAccess : byte
{
    None = 0,
    Read = 1,
    Write = 2,
    Execute = 4,
}
