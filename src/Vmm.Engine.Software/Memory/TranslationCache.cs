using System.Runtime.InteropServices;

namespace Vmm.Engine.Software.Memory;

/// <summary>
/// Translations of 4-KiB pages behind the fast TLBs, for all address spaces: each PCID has a generation, so that
/// switching between address spaces and emptying one cost nothing.
/// </summary>
internal sealed unsafe class TranslationCache : IDisposable
{
    private const int EntryCount = 1 << 15;
    private const int PcidCount = 4096;

    private readonly Entry* _entries = (Entry*)NativeMemory.AllocZeroed(EntryCount, (nuint)sizeof(Entry));
    private readonly ulong[] _generations = new ulong[PcidCount];

    // 2-MiB and 1-GiB areas that may be cached as pages of that size, by hash: INVLPG must find all of their parts.
    private readonly ulong[] _largeAreas = new ulong[64];
    private readonly ulong[] _hugeAreas = new ulong[64];
    private ulong _lastGeneration;
    private ulong _globalGeneration;
    private int _pcid;

    public TranslationCache() => FlushAll();

    /// <summary>PCID whose translations are looked up.</summary>
    public int Pcid
    {
        get => _pcid;
        set => _pcid = value & (PcidCount - 1);
    }

    /// <summary>A number that changes when translations of the current PCID, or global ones, were dropped as a whole.</summary>
    public ulong Generation => _generations[_pcid];

    /// <summary>The translation of a page, or null.</summary>
    public Translation* Find(ulong linearPage)
    {
        Entry* entry = At(linearPage);
        return entry->LinearPage == linearPage && IsCurrent(entry) ? &entry->Translation : null;
    }

    private bool IsCurrent(Entry* entry) =>
        entry->Generation == _generations[_pcid] || (entry->Generation == _globalGeneration);

    public Translation* Insert(ulong linearPage, in Translation translation)
    {
        Entry* entry = At(linearPage);
        entry->LinearPage = linearPage;
        entry->Generation = (translation.Flags & PageFlags.Global) != 0 ? _globalGeneration : _generations[_pcid];
        entry->Translation = translation;
        if ((translation.Flags & PageFlags.Huge) != 0)
        {
            Mark(_hugeAreas, linearPage >> 30);
        }
        else if ((translation.Flags & PageFlags.Large) != 0)
        {
            Mark(_largeAreas, linearPage >> 21);
        }

        return &entry->Translation;
    }

    /// <summary>All translations of all PCIDs, global ones too.</summary>
    public void FlushAll()
    {
        FlushNonGlobal();
        _globalGeneration = NextGeneration(0);
        Array.Clear(_largeAreas);
        Array.Clear(_hugeAreas);
    }

    /// <summary>The translations of all PCIDs but global ones.</summary>
    public void FlushNonGlobal()
    {
        _lastGeneration++;
        for (int pcid = 0; pcid < PcidCount; pcid++)
        {
            _generations[pcid] = _lastGeneration * PcidCount + (ulong)pcid;
        }
    }

    /// <summary>The translations of one PCID but global ones.</summary>
    public void FlushPcid(int pcid) => _generations[pcid & (PcidCount - 1)] = NextGeneration(pcid & (PcidCount - 1));

    // No two address spaces have a generation in common.
    private ulong NextGeneration(int pcid) => ++_lastGeneration * PcidCount + (ulong)pcid;

    /// <summary>One page of the current PCID or global, whatever its size. False when parts of a large page may be anywhere in the fast TLBs.</summary>
    public bool FlushPage(ulong linear)
    {
        bool small = true;
        if (IsMarked(_largeAreas, linear >> 21))
        {
            FlushArea(linear, 21);
            small = false;
        }

        if (IsMarked(_hugeAreas, linear >> 30))
        {
            FlushArea(linear, 30);
            small = false;
        }

        Entry* entry = At(linear & Tlb.PageMask);
        if (entry->LinearPage == (linear & Tlb.PageMask))
        {
            entry->Generation = 0;
        }

        return small;
    }

    private void FlushArea(ulong linear, int shift)
    {
        for (int n = 0; n < EntryCount; n++)
        {
            Entry* entry = _entries + n;
            if (entry->LinearPage >> shift == linear >> shift && (entry->Translation.Flags & PageFlags.Large) != 0)
            {
                entry->Generation = 0;
            }
        }
    }

    private static void Mark(ulong[] areas, ulong number) => areas[number >> 6 & 63] |= 1UL << (int)(number & 63);

    private static bool IsMarked(ulong[] areas, ulong number) => (areas[number >> 6 & 63] >> (int)(number & 63) & 1) != 0;

    private Entry* At(ulong linearPage) => _entries + ((linearPage >> Tlb.PageShift) & (EntryCount - 1));

    public void Dispose() => NativeMemory.Free(_entries);

    private struct Entry
    {
        public ulong LinearPage;
        public ulong Generation;
        public Translation Translation;
    }
}
