using System.Buffers;

namespace Vmm.Kernel;

/// <summary>Shows a checked range of guest memory as <see cref="Memory{T}"/>. Owns nothing: the range lives as long as the VM.</summary>
internal sealed unsafe class GuestMemoryManager(byte* start, int length) : MemoryManager<byte>
{
    public override Span<byte> GetSpan() => new(start, length);

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)length, nameof(elementIndex));
        return new MemoryHandle(start + elementIndex);
    }

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
