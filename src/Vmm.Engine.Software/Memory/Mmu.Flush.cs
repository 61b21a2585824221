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
        if (pcid == _translations.Pcid)
        {
            Changed(global: false);
        }
    }

    /// <summary>INVLPG: one page of the current address space, or global, whatever its size.</summary>
    public void FlushPage(ulong linear)
    {
        if (DropPage(linear))
        {
            _invalidated.Add(linear);
            if (!FetchedFrom(linear))
            {
                return;
            }
        }
        else
        {
            _invalidated.AddMany();
        }

        ForgetJumps(global: true);
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

    // False: parts of a large page went, wherever they were.
    private bool DropPage(ulong linear)
    {
        if (_translations.FlushPage(linear))
        {
            _context.ClearPage(linear);
            return true;
        }

        _context.Clear();
        return false;
    }

    // Pages that code was fetched from since jumps were last forgotten, by hash: most pages that INVLPG names hold data.
    private readonly ulong[] _fetched = new ulong[FetchedBits / 64];
    private const int FetchedBits = 1 << 14;

    private void NoteFetch(ulong linear) => _fetched[(linear >> Tlb.PageShift & (FetchedBits - 1)) / 64] |= 1UL << (int)(linear >> Tlb.PageShift & 63);

    private bool FetchedFrom(ulong linear) =>
        (_fetched[(linear >> Tlb.PageShift & (FetchedBits - 1)) / 64] >> (int)(linear >> Tlb.PageShift & 63) & 1) != 0;
}
