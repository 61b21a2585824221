using System.Runtime.InteropServices;

namespace Vmm.Engine.Software.Memory;

/// <summary>
/// One table of the fast path, with a list of the entries in use so that emptying it costs what filling it did.
/// </summary>
internal sealed unsafe class LinearTlb : IDisposable
{
    private const int ListCapacity = Tlb.EntryCount / 4;

    private static readonly TlbEntry[] Empty = CreateEmpty();

    private readonly TlbEntry* _entries = (TlbEntry*)NativeMemory.AlignedAlloc(Tlb.EntryCount * (nuint)sizeof(TlbEntry), 64);
    private readonly ushort[] _used = new ushort[ListCapacity];
    private int _usedCount = ListCapacity + 1;

    public LinearTlb() => Clear();

    public TlbEntry* Entries => _entries;

    private static TlbEntry[] CreateEmpty()
    {
        TlbEntry[] entries = new TlbEntry[Tlb.EntryCount];
        for (int n = 0; n < entries.Length; n++)
        {
            entries[n].Tag = TlbEntry.Unused(n);
        }

        return entries;
    }

    public void Fill(ulong linearPage, byte* host)
    {
        int index = (int)(linearPage >> Tlb.PageShift) & (Tlb.EntryCount - 1);
        TlbEntry* entry = _entries + index;
        if (entry->Tag == TlbEntry.Unused(index))
        {
            if (_usedCount < ListCapacity)
            {
                _used[_usedCount] = (ushort)index;
            }

            _usedCount++;
        }

        entry->Tag = linearPage;
        entry->Page = host;
    }

    public void Clear()
    {
        if (_usedCount <= ListCapacity)
        {
            for (int n = 0; n < _usedCount; n++)
            {
                _entries[_used[n]].Tag = TlbEntry.Unused(_used[n]);
            }
        }
        else
        {
            Empty.CopyTo(new Span<TlbEntry>(_entries, Tlb.EntryCount));
        }

        _usedCount = 0;
    }

    public void ClearPage(ulong linear)
    {
        TlbEntry* entry = _entries + ((linear >> Tlb.PageShift) & (Tlb.EntryCount - 1));
        if (entry->Tag == (linear & Tlb.PageMask))
        {
            // The entry stays in the list of those in use.
            entry->Tag = TlbEntry.Emptied((int)(entry - _entries));
        }
    }

    /// <summary>Drops the entries that lead to a host page; false when there were none.</summary>
    public bool ClearHostPage(byte* host)
    {
        bool found = false;
        if (_usedCount <= ListCapacity)
        {
            for (int n = 0; n < _usedCount; n++)
            {
                found |= ClearIfHost(_used[n], host);
            }
        }
        else
        {
            for (int n = 0; n < Tlb.EntryCount; n++)
            {
                found |= ClearIfHost(n, host);
            }
        }

        return found;
    }

    private bool ClearIfHost(int index, byte* host)
    {
        TlbEntry* entry = _entries + index;
        if (!entry->IsValid || entry->Page != host)
        {
            return false;
        }

        entry->Tag = TlbEntry.Emptied(index);
        return true;
    }

    public void Dispose() => NativeMemory.AlignedFree(_entries);
}
