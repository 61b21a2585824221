namespace Vmm.Vmx;

/// <summary>
/// An entry of an EPT table of any level (SDM Vol. 3C 29.3.2, tables 29-1 to 29-7). Levels count as in paging: 4 is the
/// PML4E, 3 the PDPTE, 2 the PDE, 1 the PTE.
/// </summary>
/// <param name="Value">The entry as it stands in memory.</param>
public readonly record struct EptEntry(ulong Value)
{
    private const ulong LargePageBit = 1ul << 7;
    private const ulong AccessedBit = 1ul << 8;
    private const ulong DirtyBit = 1ul << 9;
    private const ulong AddressBits = 0x000F_FFFF_FFFF_F000;

    /// <summary>Composes an entry that points to the next table.</summary>
    public static EptEntry Table(ulong address, EptAccess permissions = EptAccess.Read | EptAccess.Write | EptAccess.Execute)
        => new(address & AddressBits | (ulong)permissions);

    /// <summary>Composes an entry that maps a page: 4 KiB at level 1, 2 MiB at level 2, 1 GiB at level 3.</summary>
    public static EptEntry Page(ulong address, EptAccess permissions, int level, MemoryType memoryType = MemoryType.WriteBack)
        => new(address & AddressBits | (ulong)permissions | (ulong)memoryType << 3 | (level > 1 ? LargePageBit : 0));

    /// <summary>Read, write and execute permission.</summary>
    public EptAccess Permissions => (EptAccess)(Value & 7);

    /// <summary>Present: any permission is set.</summary>
    public bool IsPresent => (Value & 7) != 0;

    /// <summary>Memory type of a page.</summary>
    public MemoryType MemoryType => (MemoryType)(Value >> 3 & 7);

    /// <summary>The guest's PAT does not count for the page.</summary>
    public bool IgnoresPat => (Value & 1 << 6) != 0;

    /// <summary>Accessed flag.</summary>
    public bool IsAccessed => (Value & AccessedBit) != 0;

    /// <summary>Dirty flag of a page.</summary>
    public bool IsDirty => (Value & DirtyBit) != 0;

    /// <summary>The next table, or the 4-KiB page.</summary>
    public ulong Address => Value & AddressBits;

    /// <summary>The entry with its accessed flag set, and for a write its dirty flag.</summary>
    public EptEntry WithAccess(bool dirty) => new(Value | AccessedBit | (dirty ? DirtyBit : 0));

    /// <summary>Whether the entry maps a page, rather than pointing to a table.</summary>
    public bool IsPage(int level) => level == 1 || (level < 4 && (Value & LargePageBit) != 0);

    /// <summary>Host-physical address that the entry gives a guest-physical address in its page.</summary>
    public ulong Translate(int level, ulong guestPhysicalAddress)
    {
        ulong offset = OffsetMask(level);
        return Value & AddressBits & ~offset | guestPhysicalAddress & offset;
    }

    /// <summary>Whether using the entry is an EPT misconfiguration (SDM Vol. 3C 29.3.3.1). An entry that is not present never is.</summary>
    /// <param name="level">Level of the table it is in, 4 to 1.</param>
    /// <param name="physicalAddressBits">Physical-address width.</param>
    /// <param name="capabilities">What the processor's EPT offers.</param>
    public bool IsMisconfigured(int level, int physicalAddressBits, EptVpidCapabilities capabilities)
    {
        EptAccess permissions = Permissions;
        if (permissions is EptAccess.None)
        {
            return false;
        }

        if (permissions is EptAccess.Write or (EptAccess.Write | EptAccess.Execute))
        {
            return true;
        }

        if (permissions is EptAccess.Execute && (capabilities & EptVpidCapabilities.ExecuteOnly) == 0)
        {
            return true;
        }

        if ((Value & AddressBits & ulong.MaxValue << physicalAddressBits) != 0)
        {
            return true;
        }

        if (!IsPage(level))
        {
            // Bits 6:3 of an entry that points to a table; bit 7 too in a PML4E
            return (Value & (level == 4 ? 0xF8ul : 0x78ul)) != 0;
        }

        bool largePagesMissing = level switch
        {
            3 => (capabilities & EptVpidCapabilities.Pages1G) == 0,
            2 => (capabilities & EptVpidCapabilities.Pages2M) == 0,
            _ => false,
        };

        return largePagesMissing
            || (Value & AddressBits & OffsetMask(level)) != 0
            || (uint)MemoryType is 2 or 3 or 7;
    }

    private static ulong OffsetMask(int level) => (1ul << (12 + 9 * (level - 1))) - 1;
}
