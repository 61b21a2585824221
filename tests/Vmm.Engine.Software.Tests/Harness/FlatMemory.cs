using System.Runtime.InteropServices;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Harness;

/// <summary>Physical memory of one region from address 0, with a dirty bitmap, and optionally a ROM right above it.</summary>
internal sealed unsafe class FlatMemory : IPhysicalMemory, IDisposable
{
    private readonly nint _host;
    private readonly nint _dirty;
    private readonly int _romLength;

    public FlatMemory(int length, int romLength = 0)
    {
        Length = length;
        _romLength = romLength;
        _host = (nint)NativeMemory.AlignedAlloc((nuint)(length + romLength), 4096);
        new Span<byte>((void*)_host, length + romLength).Clear();
        _dirty = (nint)NativeMemory.AllocZeroed((nuint)(length / 4096 / 8 + 8));
        Regions = BuildRegions();
    }

    public int Length { get; }

    public IReadOnlyList<PhysicalRegion> Regions { get; private set; }

    public event Action? Changed;

    public event Action<ulong, ulong>? Written;

    /// <summary>Writes as a device does.</summary>
    public void Write(ulong address, ReadOnlySpan<byte> content)
    {
        content.CopyTo(Bytes[(int)address..]);
        Written?.Invoke(address, (ulong)content.Length);
    }

    public bool DirtyTracking { get; private set; }

    public Span<byte> Bytes => new((void*)_host, Length + _romLength);

    public bool IsDirty(ulong page) => (*((byte*)_dirty + page / 8) >> (int)(page % 8) & 1) != 0;

    /// <summary>Begins dirty tracking anew: all bits clear, engines told.</summary>
    public void TrackDirty()
    {
        new Span<byte>((void*)_dirty, Length / 4096 / 8).Clear();
        DirtyTracking = true;
        Changed?.Invoke();
    }

    private List<PhysicalRegion> BuildRegions()
    {
        List<PhysicalRegion> regions = [new(0, (ulong)Length, _host, ReadOnly: false, _dirty)];
        if (_romLength != 0)
        {
            regions.Add(new((ulong)Length, (ulong)_romLength, _host + Length, ReadOnly: true, DirtyBitmap: 0));
        }

        return regions;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree((void*)_host);
        NativeMemory.Free((void*)_dirty);
    }
}
