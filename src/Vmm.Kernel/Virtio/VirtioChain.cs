namespace Vmm.Kernel;

/// <summary>A chain of one queue. Each head of the descriptor table has one object, which is used again and again.</summary>
internal sealed class VirtioChain(SplitVirtqueue queue, ushort head) : IVirtioChain
{
    private readonly List<ReadOnlyMemory<byte>> _readable = [];
    private readonly List<Memory<byte>> _writable = [];
    private readonly List<ulong> _writableAddresses = [];

    public ushort Head { get; } = head;

    /// <summary>Position in the order of taking; 0 while the driver has the chain.</summary>
    public ulong Taken { get; set; }

    public IReadOnlyList<ReadOnlyMemory<byte>> Readable => _readable;

    public IReadOnlyList<Memory<byte>> Writable => _writable;

    public void Complete(uint written) => queue.Complete(this, written);

    /// <summary>Adds a part.</summary>
    /// <returns>False when it is not wholly in memory of the right kind.</returns>
    public bool TryAdd(IGuestMemory memory, ulong address, int length, bool writable)
    {
        if (!memory.TryPin(address, length, writable ? GuestAccess.Write : GuestAccess.Read, out Memory<byte> part))
        {
            return false;
        }

        if (writable)
        {
            _writable.Add(part);
            _writableAddresses.Add(address);
        }
        else
        {
            _readable.Add(part);
        }

        return true;
    }

    /// <summary>Marks what was written: the marks of taking may have been collected before the device wrote.</summary>
    public void MarkWritten(IGuestMemory memory, uint written)
    {
        long left = written;
        for (int i = 0; i < _writable.Count && left > 0; i++)
        {
            int length = (int)Math.Min(left, _writable[i].Length);
            memory.TryPin(_writableAddresses[i], length, GuestAccess.Write, out _);
            left -= length;
        }
    }

    public void Clear()
    {
        _readable.Clear();
        _writable.Clear();
        _writableAddresses.Clear();
    }
}
