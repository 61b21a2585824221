using System.Collections.Concurrent;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>
/// The physical memory of one machine as its processors see it: the regions of <see cref="IPhysicalMemory"/>, the
/// machine's own pages, and which pages hold decoded code. Shared by all processors.
/// </summary>
/// <remarks>Unsafe invariant: host memory of a region stays mapped while the machine exists (contract of <see cref="PhysicalRegion"/>).</remarks>
internal sealed unsafe class PhysicalAddressSpace : IDisposable
{
    private readonly IPhysicalMemory _memory;
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<ulong, uint[]> _codeMasks = [];
    private PhysicalRegion[] _hostPages = [];
    private PhysicalRegion[] _regions = [];
    private LogicalProcessor[] _processors = [];

    public PhysicalAddressSpace(IPhysicalMemory memory, int addressBits)
    {
        _memory = memory;
        AddressBits = addressBits;
        memory.Changed += OnChanged;
        memory.Written += NoteWrite;
        Rebuild();
    }

    /// <summary>MAXPHYADDR.</summary>
    public int AddressBits { get; }

    /// <summary>Held by split and otherwise unaligned locked accesses, of which no host instruction takes care.</summary>
    public Lock BusLock { get; } = new();

    /// <summary>Adds a page that is not guest memory: a structure that VMCS fields point to.</summary>
    public void AddHostPage(ulong physical, nint host)
    {
        lock (_gate)
        {
            _hostPages = [.. _hostPages, new PhysicalRegion(physical, 0x1000, host, ReadOnly: false, DirtyBitmap: 0)];
        }

        OnChanged();
    }

    /// <summary>Makes a processor hear of code changes and mapping changes.</summary>
    public void Attach(LogicalProcessor processor)
    {
        lock (_gate)
        {
            _processors = [.. _processors, processor];
        }
    }

    public void Detach(LogicalProcessor processor)
    {
        lock (_gate)
        {
            _processors = [.. _processors.Where(p => p != processor)];
        }
    }

    /// <summary>The regions now, sorted; a new array for each change.</summary>
    public PhysicalRegion[] Regions => Volatile.Read(ref _regions);

    /// <summary>The region of a physical address in an array of regions; -1: device memory.</summary>
    public static int Find(PhysicalRegion[] regions, ulong physical)
    {
        int low = 0;
        int high = regions.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            ref PhysicalRegion region = ref regions[middle];
            if (physical - region.GuestPhysicalAddress < region.Length)
            {
                return middle;
            }

            if (physical < region.GuestPhysicalAddress)
            {
                high = middle - 1;
            }
            else
            {
                low = middle + 1;
            }
        }

        return -1;
    }

    /// <summary>Notes a write to a page, for dirty tracking.</summary>
    public static void MarkDirty(in PhysicalRegion region, ulong physical)
    {
        if (region.DirtyBitmap != 0)
        {
            ulong page = (physical - region.GuestPhysicalAddress) >> 12;
            ref uint word = ref *((uint*)region.DirtyBitmap + (page >> 5));
            uint bit = 1u << (int)(page & 31);
            if ((Volatile.Read(ref word) & bit) == 0)
            {
                Interlocked.Or(ref word, bit);
            }
        }
    }

    /// <summary>Whether any processor has decoded code of the page. Here and below pages are told apart by host address.</summary>
    public bool HasCode(ulong place) => _codeMasks.TryGetValue(place >> 24, out uint[]? masks) && Volatile.Read(ref masks[MaskIndex(place)]) != 0;

    /// <summary>
    /// Notes that a processor has decoded code of the page. Write permissions that TLBs hold for it are revoked: at once
    /// on this processor, on others before their next block; these then report the page as written, as they may have
    /// done so meanwhile. True when the page was new.
    /// </summary>
    public bool MarkCode(CpuState* state, ulong place)
    {
        LogicalProcessor processor = LogicalProcessor.Of(state);
        uint[] masks = _codeMasks.GetOrAdd(place >> 24, static _ => new uint[4096]);
        uint before = Interlocked.Or(ref masks[MaskIndex(place)], processor.CodeMask);
        if (before == 0)
        {
            foreach (LogicalProcessor other in Volatile.Read(ref _processors))
            {
                if (other == processor)
                {
                    other.Mmu.RevokeWrites(place);
                }
                else
                {
                    other.Post(ProcessorRequest.RevokeWrites, place, 0x1000);
                }
            }
        }

        return (before & processor.CodeMask) == 0;
    }

    /// <summary>Notes that a processor has no decoded code of the page any more.</summary>
    public void UnmarkCode(CpuState* state, ulong place)
    {
        uint mask = LogicalProcessor.Of(state).CodeMask;
        if (mask != LogicalProcessor.SharedCodeMask && _codeMasks.TryGetValue(place >> 24, out uint[]? masks))
        {
            Interlocked.And(ref masks[MaskIndex(place)], ~mask);
        }
    }

    /// <summary>
    /// Notes that memory was written, all within one page: decoded code of it is dropped, at once on
    /// <paramref name="writer"/> (null when a device wrote), on others before their next block.
    /// </summary>
    public void CodeWritten(LogicalProcessor? writer, ulong place, int length)
    {
        if (!_codeMasks.TryGetValue(place >> 24, out uint[]? masks))
        {
            return;
        }

        uint mask = Volatile.Read(ref masks[MaskIndex(place)]);
        if (mask == 0)
        {
            return;
        }

        foreach (LogicalProcessor processor in Volatile.Read(ref _processors))
        {
            if (processor == writer)
            {
                processor.InvalidateCode(place, length);
            }
            else if ((mask & processor.CodeMask) != 0)
            {
                processor.Post(ProcessorRequest.InvalidateCode, place, length);
            }
        }
    }

    /// <summary>Notes that something other than a processor wrote to memory: devices, loaders.</summary>
    public void NoteWrite(ulong physical, ulong length)
    {
        PhysicalRegion[] regions = Regions;
        ulong end = physical + length;
        while (physical < end)
        {
            ulong next = Math.Min(end, (physical | 0xFFF) + 1);
            int index = Find(regions, physical);
            if (index >= 0)
            {
                CodeWritten(null, (ulong)regions[index].HostAddress + (physical - regions[index].GuestPhysicalAddress), (int)(next - physical));
            }

            physical = next;
        }
    }

    private static int MaskIndex(ulong place) => (int)(place >> 12) & 4095;

    private void OnChanged()
    {
        Rebuild();
        foreach (LogicalProcessor processor in Volatile.Read(ref _processors))
        {
            processor.Post(ProcessorRequest.InvalidateMappings, 0, 0);
        }
    }

    private void Rebuild()
    {
        lock (_gate)
        {
            Volatile.Write(ref _regions, [.. _memory.Regions.Concat(_hostPages).OrderBy(region => region.GuestPhysicalAddress)]);
        }
    }

    public void Dispose()
    {
        _memory.Changed -= OnChanged;
        _memory.Written -= NoteWrite;
    }
}
