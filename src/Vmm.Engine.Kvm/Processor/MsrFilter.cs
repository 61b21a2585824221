using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Memory;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>
/// The MSR bitmap of VMX (SDM Vol. 3C 25.6.9) as the MSR filter of a VM: both know two ranges of 8,192 registers and
/// tell reads from writes. A bit that is set exits in VMX and is refused, which exits, in the filter.
/// </summary>
/// <param name="pages">Where the bitmaps are.</param>
/// <param name="set"><c>KVM_X86_SET_MSR_FILTER</c>.</param>
internal sealed unsafe class MsrFilter(HostPages pages, MsrFilter.Request set)
{
    private const int QuarterSize = 1024;
    private const uint MsrsPerQuarter = 8192, HighFirst = 0xC000_0000;

    private readonly Lock _gate = new();

    // A whole bitmap, and only once KVM has taken it: processors that find it equal enter without the lock.
    private byte[]? _inForce;

    /// <summary>Gives KVM a filter.</summary>
    public delegate void Request(ref KvmMsrFilter filter);

    /// <summary>Times that KVM was given a filter.</summary>
    public long ChangeCount { get; private set; }

    /// <summary>Puts the bitmap at a host-physical address in force; when it returns, it is.</summary>
    public void Apply(ulong address)
    {
        if (pages.Find(address) is not { } bitmap || IsInForce(bitmap))
        {
            return;
        }

        lock (_gate)
        {
            if (!IsInForce(bitmap))
            {
                byte[] wanted = [.. bitmap]; // the page may change at any time
                Set(wanted);
                ChangeCount++;
                Volatile.Write(ref _inForce, wanted);
            }
        }
    }

    private bool IsInForce(ReadOnlySpan<byte> bitmap) => Volatile.Read(ref _inForce) is { } inForce && bitmap.SequenceEqual(inForce);

    private void Set(byte[] bitmap)
    {
        byte[] allowed = [.. bitmap.Select(static bits => (byte)~bits)];
        fixed (byte* pointer = allowed)
        {
            var filter = new KvmMsrFilter { Flags = KvmMsrFilter.DefaultDeny };
            // KVM takes at most 0x600 bytes a range, so that a quarter fits.
            filter.Range0 = Range(KvmMsrFilterRange.Read, 0, pointer);
            filter.Range1 = Range(KvmMsrFilterRange.Read, HighFirst, pointer + QuarterSize);
            filter.Range2 = Range(KvmMsrFilterRange.Write, 0, pointer + (2 * QuarterSize));
            filter.Range3 = Range(KvmMsrFilterRange.Write, HighFirst, pointer + (3 * QuarterSize));
            set(ref filter);
        }
    }

    private static KvmMsrFilterRange Range(uint flags, uint first, byte* bitmap) =>
        new() { Flags = flags, Count = MsrsPerQuarter, First = first, Bitmap = (nint)bitmap };
}
