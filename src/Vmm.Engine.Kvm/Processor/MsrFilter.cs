using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Memory;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>
/// The MSR bitmap of VMX (SDM Vol. 3C 25.6.9) as the MSR filter of a VM: both know two ranges of 8,192 registers and
/// tell reads from writes. A bit that is set exits in VMX and is refused, which exits, in the filter.
/// </summary>
internal sealed unsafe class MsrFilter(KvmDescriptor vm, HostPages pages)
{
    private const int QuarterSize = 1024;
    private const uint MsrsPerQuarter = 8192, HighFirst = 0xC000_0000;

    private readonly Lock _gate = new();
    private readonly byte[] _inForce = new byte[4 * QuarterSize];
    private bool _isSet;

    /// <summary>Puts the bitmap at a host-physical address in force.</summary>
    public void Apply(ulong address)
    {
        if (pages.Find(address) is not { } bitmap || (_isSet && bitmap.AsSpan().SequenceEqual(_inForce)))
        {
            return;
        }

        lock (_gate)
        {
            bitmap.CopyTo(_inForce, 0);
            byte[] allowed = [.. bitmap.Select(static bits => (byte)~bits)];
            fixed (byte* pointer = allowed)
            {
                var filter = new KvmMsrFilter { Flags = KvmMsrFilter.DefaultDeny };
                // KVM takes at most 0x600 bytes a range, so that a quarter fits.
                filter.Range0 = Range(KvmMsrFilterRange.Read, 0, pointer);
                filter.Range1 = Range(KvmMsrFilterRange.Read, HighFirst, pointer + QuarterSize);
                filter.Range2 = Range(KvmMsrFilterRange.Write, 0, pointer + (2 * QuarterSize));
                filter.Range3 = Range(KvmMsrFilterRange.Write, HighFirst, pointer + (3 * QuarterSize));
                vm.Request(KvmRequest.X86SetMsrFilter, ref filter);
            }

            _isSet = true;
        }
    }

    private static KvmMsrFilterRange Range(uint flags, uint first, byte* bitmap) =>
        new() { Flags = flags, Count = MsrsPerQuarter, First = first, Bitmap = (nint)bitmap };
}
