namespace Vmm.Vmx;

/// <summary>Extended-page-table pointer (SDM Vol. 3C 25.6.11, table 25-9).</summary>
/// <param name="Value">The field as it stands in the VMCS.</param>
public readonly record struct EptPointer(ulong Value)
{
    /// <summary>Composes a pointer to four-level tables.</summary>
    /// <param name="address">Host-physical address of the EPT PML4 table, 4-KiB-aligned.</param>
    /// <param name="memoryType">Memory type for accesses to the tables.</param>
    /// <param name="accessedAndDirty">Whether accessed and dirty flags are kept.</param>
    public static EptPointer Create(ulong address, MemoryType memoryType = MemoryType.WriteBack, bool accessedAndDirty = false)
        => new(address & ~0xFFFul | (ulong)memoryType | 3ul << 3 | (accessedAndDirty ? 1ul << 6 : 0));

    /// <summary>Memory type for accesses to the tables.</summary>
    public MemoryType MemoryType => (MemoryType)(Value & 7);

    /// <summary>Number of table levels; 4 is the only one in use.</summary>
    public int Levels => (int)(Value >> 3 & 7) + 1;

    /// <summary>Whether accessed and dirty flags are kept.</summary>
    public bool AccessedAndDirty => (Value & 1 << 6) != 0;

    /// <summary>Host-physical address of the top table.</summary>
    public ulong Address => Value & 0x000F_FFFF_FFFF_F000;
}
