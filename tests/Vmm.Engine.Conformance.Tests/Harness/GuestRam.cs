using System.Runtime.InteropServices;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>Physical memory of a small guest: RAM from address 0 with a dirty bitmap, and a page of ROM at 8 MiB.</summary>
internal sealed unsafe class GuestRam : IPhysicalMemory, IDisposable
{
    public const int Length = 4 << 20;
    public const ulong Rom = 8 << 20;
    private const int PageSize = 4096;

    private readonly byte* _host = (byte*)NativeMemory.AlignedAlloc(Length + PageSize, PageSize);
    private readonly ulong* _dirty = (ulong*)NativeMemory.AllocZeroed(Length / PageSize / 8);

    public GuestRam()
    {
        new Span<byte>(_host, Length + PageSize).Clear();
        Regions =
        [
            new PhysicalRegion(0, Length, (nint)_host, ReadOnly: false, (nint)_dirty),
            new PhysicalRegion(Rom, PageSize, (nint)(_host + Length), ReadOnly: true, 0),
        ];
    }

    public event Action? Changed;

    public event Action? DirtyPagesWanted;

    public event Action<ulong, ulong>? Written;

    public IReadOnlyList<PhysicalRegion> Regions { get; }

    public bool DirtyTracking { get; private set; }

    public Span<byte> Bytes => new(_host, Length);

    public Span<byte> RomBytes => new(_host + Length, PageSize);

    /// <summary>Writes as a device does.</summary>
    public void Write(ulong address, ReadOnlySpan<byte> content)
    {
        content.CopyTo(Bytes[(int)address..]);
        Written?.Invoke(address, (ulong)content.Length);
    }

    /// <summary>Begins dirty tracking.</summary>
    public void TrackDirty()
    {
        DirtyTracking = true;
        Changed?.Invoke();
    }

    /// <summary>Takes and clears the numbers of dirty pages.</summary>
    public int[] TakeDirtyPages()
    {
        DirtyPagesWanted?.Invoke();
        List<int> pages = [];
        for (int page = 0; page < Length / PageSize; page++)
        {
            if ((_dirty[page / 64] >> (page % 64) & 1) != 0)
            {
                pages.Add(page);
            }
        }

        new Span<byte>(_dirty, Length / PageSize / 8).Clear();
        return [.. pages];
    }

    public void CopyFrom(GuestRam other) => new ReadOnlySpan<byte>(other._host, Length + PageSize).CopyTo(new Span<byte>(_host, Length + PageSize));

    public void Dispose()
    {
        NativeMemory.AlignedFree(_host);
        NativeMemory.Free(_dirty);
    }
}
