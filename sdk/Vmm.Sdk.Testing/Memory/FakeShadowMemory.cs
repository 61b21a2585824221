namespace Vmm.Sdk.Testing;

/// <summary>Shadow RAM of the fake board: remembers what was commanded for each 16 KiB from C0000h to FFFFFh.</summary>
public sealed class FakeShadowMemory : IShadowMemory
{
    private const ulong Start = 0xc_0000, End = 0x10_0000, SegmentLength = 16 << 10;

    private readonly ShadowAccess[] _segments = new ShadowAccess[(End - Start) / SegmentLength];

    /// <summary>What reaches the RAM at an address.</summary>
    /// <param name="address">An address from C0000h to FFFFFh.</param>
    public ShadowAccess At(ulong address) => _segments[(address - Start) / SegmentLength];

    /// <inheritdoc/>
    public void Set(ulong address, ulong length, ShadowAccess access)
    {
        if (address < Start || length > End - address || ((address | length) & (SegmentLength - 1)) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(address), $"0x{address:x} with length 0x{length:x} is no range of whole segments.");
        }

        _segments.AsSpan((int)((address - Start) / SegmentLength), (int)(length / SegmentLength)).Fill(access);
    }
}
