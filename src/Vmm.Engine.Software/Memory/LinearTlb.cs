using System.Runtime.InteropServices;

namespace Vmm.Engine.Software.Memory;

/// <summary>
/// One table of the fast path, with a list of the entries in use so that emptying it costs what filling it did.
/// </summary>
internal sealed unsafe class LinearTlb : IDisposable
{
    private const int ListCapacity = Tlb.EntryCount / 2;

    private readonly TlbEntry* _entries = (TlbEntry*)NativeMemory.AlignedAlloc(Tlb.EntryCount * (nuint)sizeof(TlbEntry), 64);
    private readonly ushort[] _used = new ushort[ListCapacity];
    private int _usedCount = ListCapacity + 1;

    public LinearTlb() => Clear();

    public TlbEntry* Entries => _entries;

    public void Fill(ulong linearPage, byte* host)
    {
        int index = (int)(linearPage >> Tlb.PageShift) & (Tlb.EntryCount - 1);
        TlbEntry* entry = _entries + index;
        if (entry->Tag == TlbEntry.Invalid)
        {
            if (_usedCount < ListCapacity)
            {
                _used[_usedCount] = (ushort)index;
            }

            _usedCount++;
        }

        entry->Tag = linearPage;
        entry->Addend = (long)((ulong)host - linearPage);
    }

    public void Clear()
    {
        if (_usedCount <= ListCapacity)
        {
            for (int n = 0; n < _usedCount; n++)
            {
                _entries[_used[n]].Tag = TlbEntry.Invalid;
            }
        }
        else
        {
            new Span<byte>(_entries, Tlb.EntryCount * sizeof(TlbEntry)).Fill(0xFF);
        }

        _usedCount = 0;
    }

    public void ClearPage(ulong linear)
    {
        TlbEntry* entry = _entries + ((linear >> Tlb.PageShift) & (Tlb.EntryCount - 1));
        if (entry->Tag == (linear & Tlb.PageMask))
        {
            // The tag 1 matches no address but keeps the entry in the list of those in use.
            entry->Tag = TlbEntry.Emptied;
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
                found |= ClearIfHost(_entries + _used[n], host);
            }
        }
        else
        {
            for (int n = 0; n < Tlb.EntryCount; n++)
            {
                found |= ClearIfHost(_entries + n, host);
            }
        }

        return found;
    }

    private static bool ClearIfHost(TlbEntry* entry, byte* host)
    {
        if ((entry->Tag & 0xFFF) != 0 || (byte*)entry->Tag + entry->Addend != host)
        {
            return false;
        }

        entry->Tag = TlbEntry.Emptied;
        return true;
    }

    public void Dispose() => NativeMemory.AlignedFree(_entries);
}
