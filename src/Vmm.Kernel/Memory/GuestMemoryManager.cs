using System.Buffers;

namespace Vmm.Kernel;

/// <summary>
/// Shows a checked range of guest memory as <see cref="Memory{T}"/>. Its reference to the blocks keeps them mapped,
/// whatever becomes of the VM.
/// </summary>
internal sealed unsafe class GuestMemoryManager(object blocks, byte* start, int length) : MemoryManager<byte>
{
    /// <summary>What must stay mapped.</summary>
    public object Blocks { get; } = blocks;

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
