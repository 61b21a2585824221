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

        Rebuild();
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

    /// <summary>Whether any processor has decoded code of the page.</summary>
    public bool HasCode(ulong physical) => _codeMasks.TryGetValue(physical >> 24, out uint[]? masks) && Volatile.Read(ref masks[MaskIndex(physical)]) != 0;

    /// <summary>
    /// Notes that a processor has decoded code of the page. Write permissions that TLBs hold for it are revoked: at once
    /// on this processor, on others before their next block; these then report the page as written, as they may have
    /// done so meanwhile. True when the page was new.
    /// </summary>
    public bool MarkCode(CpuState* state, ulong physical)
    {
        LogicalProcessor processor = LogicalProcessor.Of(state);
        uint[] masks = _codeMasks.GetOrAdd(physical >> 24, static _ => new uint[4096]);
        uint before = Interlocked.Or(ref masks[MaskIndex(physical)], processor.CodeMask);
        if (before == 0)
        {
            foreach (LogicalProcessor other in Volatile.Read(ref _processors))
            {
                if (other == processor)
                {
                    other.Mmu.RevokeWrites(physical);
                }
                else
                {
                    other.Post(ProcessorRequest.RevokeWrites, physical, 0x1000);
                }
            }
        }

        return (before & processor.CodeMask) == 0;
    }

    /// <summary>Notes that a processor has no decoded code of the page any more.</summary>
    public void UnmarkCode(CpuState* state, ulong physical)
    {
        uint mask = LogicalProcessor.Of(state).CodeMask;
        if (mask != LogicalProcessor.SharedCodeMask && _codeMasks.TryGetValue(physical >> 24, out uint[]? masks))
        {
            Interlocked.And(ref masks[MaskIndex(physical)], ~mask);
        }
    }

    /// <summary>
    /// Notes that memory was written, all within one page: decoded code of it is dropped, at once on
    /// <paramref name="writer"/> (null when a device wrote), on others before their next block.
    /// </summary>
    public void CodeWritten(LogicalProcessor? writer, ulong physical, int length)
    {
        if (!_codeMasks.TryGetValue(physical >> 24, out uint[]? masks))
        {
            return;
        }

        uint mask = Volatile.Read(ref masks[MaskIndex(physical)]);
        if (mask == 0)
        {
            return;
        }

        foreach (LogicalProcessor processor in Volatile.Read(ref _processors))
        {
            if (processor == writer)
            {
                processor.InvalidateCode(physical, length);
            }
            else if ((mask & processor.CodeMask) != 0)
            {
                processor.Post(ProcessorRequest.InvalidateCode, physical, length);
            }
        }
    }

    /// <summary>Notes that something other than a processor wrote to memory: devices, loaders.</summary>
    public void NoteWrite(ulong physical, ulong length)
    {
        ulong end = physical + length;
        while (physical < end)
        {
            ulong next = Math.Min(end, (physical | 0xFFF) + 1);
            CodeWritten(null, physical, (int)(next - physical));
            physical = next;
        }
    }

    private static int MaskIndex(ulong physical) => (int)(physical >> 12) & 4095;

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

    public void Dispose() => _memory.Changed -= OnChanged;
}
