using System.Numerics;
using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Kvm.Memory;

/// <summary>
/// The memory slots of a VM (<c>KVM_SET_USER_MEMORY_REGION</c>), kept equal to the mappings that the EPT pointer in
/// force gives, and the dirty log of KVM folded into the bitmaps of the regions.
/// </summary>
/// <remarks>Unsafe invariant: host memory and bitmaps of a region stay mapped while the VM exists.</remarks>
internal sealed unsafe class MemorySlots(KvmDescriptor vm, HostPages pages, IPhysicalMemory memory, RunGate gate)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<GuestMapping, Slot> _slots = [];
    private readonly Stack<uint> _free = new();
    private ulong _pointer;
    private volatile bool _stale;
    private bool _closed;

    /// <summary>Slots in use.</summary>
    public int Count { get; private set; }

    /// <summary>Times that a slot was made, changed or removed.</summary>
    public long ChangeCount { get; private set; }

    /// <summary>Times that the dirty log of a slot was read.</summary>
    public long DirtyLogCount { get; private set; }

    /// <summary>The memory map changed under the tables: the next <see cref="Refresh"/> reads them again.</summary>
    public void Invalidate() => _stale = true;

    /// <summary>Reads the tables in force again if the memory map changed.</summary>
    public void Refresh()
    {
        if (_stale)
        {
            Apply(Volatile.Read(ref _pointer));
        }
    }

    /// <summary>Brings the slots, which all processors share, up to date with tables that a VMCS has come to point to.</summary>
    public void Apply(ulong pointer)
    {
        lock (_gate)
        {
            if (pointer == _pointer && !_stale)
            {
                return;
            }

            // What changes from here on is for the next time; what fails here is still to be done.
            _stale = false;
            try
            {
                Follow(new EptPointer(pointer));
                Volatile.Write(ref _pointer, pointer);
            }
            catch
            {
                _stale = true;
                throw;
            }
        }
    }

    /// <summary>The VM goes: its dirty log is not asked for any more.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
        }
    }

    /// <summary>Reads a byte at a guest-physical address; false where there is no memory.</summary>
    public bool TryRead(ulong address, out byte value)
    {
        lock (_gate)
        {
            foreach (GuestMapping mapping in _slots.Keys)
            {
                ulong offset = address - mapping.GuestPhysicalAddress;
                if (offset < mapping.Length)
                {
                    value = ((byte*)mapping.HostAddress)[offset];
                    return true;
                }
            }
        }

        value = 0;
        return false;
    }

    /// <summary>Takes what KVM has logged since the last time into the regions' bitmaps.</summary>
    public void CollectDirtyPages()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return; // the descriptor's number may be somebody else's by now
            }

            foreach ((GuestMapping mapping, Slot slot) in _slots)
            {
                Collect(mapping, slot);
            }
        }
    }

    private void Follow(EptPointer pointer)
    {
        bool logged = memory.DirtyTracking;
        List<GuestMapping> wanted = ExtendedPageWalk.Read(pointer, pages, memory);
        GuestMapping[] gone = [.. _slots.Keys.Except(wanted)];
        if (gone.Length == 0)
        {
            SetAll(wanted, logged);
            return;
        }

        // What stays mapped in another slot is no memory in between, and writes behind the last look at a log would be lost.
        gate.Change(() =>
        {
            Array.ForEach(gone, mapping => Remove(mapping));
            SetAll(wanted, logged);
        });
    }

    private void SetAll(List<GuestMapping> wanted, bool logged)
    {
        foreach (GuestMapping mapping in wanted)
        {
            Set(mapping, logged && mapping.DirtyBitmap != 0);
        }
    }

    private void Remove(in GuestMapping mapping)
    {
        Slot slot = _slots[mapping];
        Collect(mapping, slot);
        Request(slot.Number, mapping with { Length = 0 }, 0);
        _slots.Remove(mapping);
        Count = _slots.Count;
        _free.Push(slot.Number);
    }

    private void Set(in GuestMapping mapping, bool logged)
    {
        if (_slots.TryGetValue(mapping, out Slot slot))
        {
            if (slot.Logged == logged)
            {
                return;
            }

            Collect(mapping, slot);
        }
        else
        {
            slot = new Slot(_free.TryPeek(out uint free) ? free : (uint)_slots.Count, logged);
        }

        uint flags = (logged ? KvmMemoryRegion.LogDirtyPages : 0) | (mapping.ReadOnly ? KvmMemoryRegion.ReadOnly : 0);
        Request(slot.Number, mapping, flags);
        if (_slots.TryAdd(mapping, slot))
        {
            _ = _free.TryPop(out _);
        }

        _slots[mapping] = slot with { Logged = logged };
        Count = _slots.Count;
    }

    private void Request(uint slot, in GuestMapping mapping, uint flags)
    {
        var region = new KvmMemoryRegion
        {
            Slot = slot,
            Flags = flags,
            GuestPhysicalAddress = mapping.GuestPhysicalAddress,
            Length = mapping.Length,
            HostAddress = (ulong)mapping.HostAddress,
        };
        vm.Request(KvmRequest.SetUserMemoryRegion, ref region);
        ChangeCount++;
    }

    private void Collect(in GuestMapping mapping, Slot slot)
    {
        if (!slot.Logged)
        {
            return;
        }

        var bits = new ulong[((mapping.Length >> 12) + 63) / 64];
        fixed (ulong* pointer = bits)
        {
            var log = new KvmDirtyLog { Slot = slot.Number, Bitmap = (nint)pointer };
            vm.Request(KvmRequest.GetDirtyLog, ref log);
            DirtyLogCount++;
        }

        for (int word = 0; word < bits.Length; word++)
        {
            for (ulong left = bits[word]; left != 0; left &= left - 1)
            {
                MarkDirty(mapping.DirtyBitmap, mapping.FirstDirtyPage + ((ulong)word * 64) + (ulong)BitOperations.TrailingZeroCount(left));
            }
        }
    }

    private static void MarkDirty(nint bitmap, ulong page) =>
        Interlocked.Or(ref ((ulong*)bitmap)[page / 64], 1UL << (int)(page % 64));

    private readonly record struct Slot(uint Number, bool Logged);
}
