using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>Invalidation of cached translations (SDM Vol. 3A 4.10).</summary>
internal sealed unsafe partial class Mmu
{
    /// <summary>EPTP when "enable EPT" is set, else 0. Drops everything when it changes.</summary>
    public ulong EptPointer
    {
        get => _ept.Pointer;
        set
        {
            if (_ept.Pointer != value)
            {
                _ept.Pointer = value;
                FlushAll();
            }
        }
    }

    /// <summary>All translations, global ones too: changes of paging mode, INVVPID, INVPCID type 2.</summary>
    public void FlushAll()
    {
        _translations.FlushAll();
        Changed(global: true);
    }

    /// <summary>INVEPT: what EPT says is asked anew.</summary>
    public void FlushEpt()
    {
        _ept.Flush();
        FlushAll();
    }

    /// <summary>All translations of all address spaces but global ones: INVPCID type 3.</summary>
    public void FlushNonGlobal()
    {
        _translations.FlushNonGlobal();
        Changed(global: false);
    }

    /// <summary>One address space, global translations excepted: INVPCID type 1.</summary>
    public void FlushPcid(int pcid)
    {
        _translations.FlushPcid(pcid);
        Changed(global: false);
    }

    /// <summary>
    /// After CR3 was written: its PCID (with CR4.PCIDE) becomes current, and is flushed unless <paramref name="keep"/> (bit 63 of the value written).
    /// </summary>
    public void LoadAddressSpace(bool keep)
    {
        int pcid = (_state->Cr4 & (ulong)Cr4Bits.Pcide) != 0 ? (int)_state->Cr3 & 0xFFF : 0;
        if (!keep)
        {
            _translations.FlushPcid(pcid);
        }

        _translations.Pcid = pcid;
        Changed(global: false);
    }

    /// <summary>INVLPG: one page of the current address space, or global, whatever its size.</summary>
    public void FlushPage(ulong linear)
    {
        if (!DropPage(linear) || FetchedFrom(linear))
        {
            TranslationsChanged?.Invoke(true);
        }
    }

    /// <summary>INVPCID type 0: one page of an address space.</summary>
    public void FlushPage(int pcid, ulong linear)
    {
        if (pcid == _translations.Pcid)
        {
            FlushPage(linear);
        }
        else
        {
            _translations.FlushPcid(pcid);
        }
    }

    /// <summary>The regions of physical memory changed, or dirty tracking began.</summary>
    public void InvalidateMappings()
    {
        _physical.Refresh();
        FlushEpt();
    }

    /// <summary>Drops write permissions for a page, by host address; false when there were none.</summary>
    public bool RevokeWrites(ulong place)
    {
        bool found = false;
        for (int n = 1; n < _tables.Length; n += 2)
        {
            found |= _tables[n].ClearHostPage((byte*)(place & Tlb.PageMask));
        }

        return found;
    }

    // False: parts of a large page went, wherever they were.
    private bool DropPage(ulong linear)
    {
        if (_translations.FlushPage(linear))
        {
            foreach (LinearTlb table in _tables)
            {
                table.ClearPage(linear);
            }

            return true;
        }

        ClearTables();
        return false;
    }

    // Pages that code was fetched from since jumps were last forgotten, by hash: most pages that INVLPG names hold data.
    private readonly ulong[] _fetched = new ulong[FetchedBits / 64];
    private const int FetchedBits = 1 << 14;

    private void NoteFetch(ulong linear) => _fetched[(linear >> Tlb.PageShift & (FetchedBits - 1)) / 64] |= 1UL << (int)(linear >> Tlb.PageShift & 63);

    private bool FetchedFrom(ulong linear) =>
        (_fetched[(linear >> Tlb.PageShift & (FetchedBits - 1)) / 64] >> (int)(linear >> Tlb.PageShift & 63) & 1) != 0;

    private void Changed(bool global)
    {
        ClearTables();
        UpdatePrivilege();
        if (global)
        {
            Array.Clear(_fetched);
        }

        TranslationsChanged?.Invoke(global);
    }

    private void ClearTables()
    {
        foreach (LinearTlb table in _tables)
        {
            table.Clear();
        }
    }
}
