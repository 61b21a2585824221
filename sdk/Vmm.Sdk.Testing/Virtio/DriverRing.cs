using System.Buffers.Binary;

namespace Vmm.Sdk.Testing;

/// <summary>
/// The driver's side of a split virtqueue (VIRTIO 1.2, 2.7) in guest memory: puts chains on the available ring and takes
/// them from the used ring. Nothing is checked, so a test can be as wrong as a guest.
/// </summary>
/// <param name="memory">Guest memory.</param>
/// <param name="address">Where the ring lies, a multiple of 16; it takes <see cref="LengthOf"/> bytes.</param>
/// <param name="size">Number of entries, a power of two.</param>
/// <param name="eventIndex">Whether VIRTIO_F_EVENT_IDX was negotiated.</param>
public sealed class DriverRing(IGuestMemory memory, ulong address, int size, bool eventIndex = true)
{
    private const ushort Next = 1, Write = 2, Indirect = 4;

    private readonly Queue<ushort> _free = new(Enumerable.Range(0, size).Select(index => (ushort)index));
    private readonly Dictionary<ushort, List<ushort>> _chains = [];
    private ushort _available;
    private ushort _used;

    /// <summary>Number of entries.</summary>
    public int Size => size;

    /// <summary>Address of the descriptor table.</summary>
    public ulong Descriptors => address;

    /// <summary>Address of the available ring.</summary>
    public ulong Driver => address + (16 * (ulong)size);

    /// <summary>Address of the used ring.</summary>
    public ulong Device => (Driver + 6 + (2 * (ulong)size) + 3) & ~3ul;

    /// <summary>Whether the device wants to be notified of the chains that were added since <paramref name="before"/> (2.7.10).</summary>
    /// <param name="before">The available index of before.</param>
    public bool NotificationIsWanted(ushort before) => eventIndex
        ? (ushort)(_available - Read16(Device + 4 + (8 * (ulong)size)) - 1) < (ushort)(_available - before)
        : (Read16(Device) & 1) == 0;

    /// <summary>The available index: how many chains were added, modulo 65,536.</summary>
    public ushort Available => _available;

    /// <summary>Bytes that a ring of a size takes.</summary>
    /// <param name="size">Number of entries.</param>
    public static int LengthOf(int size) => (26 * size) + 32;

    /// <summary>Makes a chain available.</summary>
    /// <param name="parts">Its parts; those that the device writes come last.</param>
    /// <returns>Its head.</returns>
    public ushort Add(params IReadOnlyList<RingPart> parts)
    {
        List<ushort> indexes = [.. parts.Select(_ => _free.Dequeue())];
        for (int i = 0; i < parts.Count; i++)
        {
            bool last = i == parts.Count - 1;
            SetDescriptor(indexes[i], parts[i].Address, parts[i].Length, (ushort)((parts[i].Writable ? Write : 0) | (last ? 0 : Next)), last ? (ushort)0 : indexes[i + 1]);
        }

        _chains[indexes[0]] = indexes;
        MakeAvailable(indexes[0]);
        return indexes[0];
    }

    /// <summary>Makes a chain available whose descriptors stand in a table of their own.</summary>
    /// <param name="table">Where to write the table, 16 bytes a part.</param>
    /// <param name="parts">Its parts.</param>
    /// <returns>Its head.</returns>
    public ushort AddIndirect(ulong table, params IReadOnlyList<RingPart> parts)
    {
        for (int i = 0; i < parts.Count; i++)
        {
            bool last = i == parts.Count - 1;
            WriteDescriptor(table + (16 * (ulong)i), parts[i].Address, parts[i].Length, (ushort)((parts[i].Writable ? Write : 0) | (last ? 0 : Next)), (ushort)(last ? 0 : i + 1));
        }

        ushort head = _free.Dequeue();
        SetDescriptor(head, table, 16 * (uint)parts.Count, Indirect, 0);
        _chains[head] = [head];
        MakeAvailable(head);
        return head;
    }

    /// <summary>Writes one descriptor as it is.</summary>
    /// <param name="index">Its index.</param>
    /// <param name="target">The address in it.</param>
    /// <param name="length">The length in it.</param>
    /// <param name="flags">1 next, 2 write, 4 indirect.</param>
    /// <param name="next">The index of the next one.</param>
    public void SetDescriptor(ushort index, ulong target, uint length, ushort flags, ushort next) =>
        WriteDescriptor(Descriptors + (16 * (ulong)index), target, length, flags, next);

    /// <summary>Puts a head on the available ring and moves its index.</summary>
    /// <param name="head">The head, legal or not.</param>
    public void MakeAvailable(ushort head)
    {
        Write16(Driver + 4 + (2 * (ulong)(_available & (size - 1))), head);
        SetAvailableIndex((ushort)(_available + 1));
    }

    /// <summary>Sets the available index, to any value.</summary>
    /// <param name="index">The value.</param>
    public void SetAvailableIndex(ushort index) => Write16(Driver + 2, _available = index);

    /// <summary>Asks for no interrupts (flags of the available ring; without effect with an event index).</summary>
    /// <param name="suppressed">Whether interrupts are unwanted.</param>
    public void SuppressInterrupts(bool suppressed) => Write16(Driver, suppressed ? (ushort)1 : (ushort)0);

    /// <summary>Asks for an interrupt once the used index has passed a value.</summary>
    /// <param name="index">used_event.</param>
    public void SetUsedEvent(ushort index) => Write16(Driver + 4 + (2 * (ulong)size), index);

    /// <summary>Takes the next chain that the device has used.</summary>
    /// <param name="used">The chain.</param>
    /// <returns>False when there is none.</returns>
    public bool TryTakeUsed(out UsedChain used)
    {
        used = default;
        if (Read16(Device + 2) == _used)
        {
            return false;
        }

        Span<byte> element = stackalloc byte[8];
        Require(memory.TryRead(Device + 4 + (8 * (ulong)(_used & (size - 1))), element));
        _used++;
        used = new UsedChain((ushort)BinaryPrimitives.ReadUInt32LittleEndian(element), BinaryPrimitives.ReadUInt32LittleEndian(element[4..]));
        if (_chains.Remove(used.Head, out List<ushort>? indexes))
        {
            indexes.ForEach(_free.Enqueue);
        }

        // As drivers do: the next one is worth an interrupt.
        SetUsedEvent(_used);
        return true;
    }

    private static void Require(bool inMemory)
    {
        if (!inMemory)
        {
            throw new InvalidOperationException("The ring does not lie in guest memory.");
        }
    }

    private void WriteDescriptor(ulong at, ulong target, uint length, ushort flags, ushort next)
    {
        Span<byte> descriptor = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor, target);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor[8..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[12..], flags);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor[14..], next);
        Require(memory.TryWrite(at, descriptor));
    }

    private ushort Read16(ulong at)
    {
        Span<byte> bytes = stackalloc byte[2];
        Require(memory.TryRead(at, bytes));
        return BinaryPrimitives.ReadUInt16LittleEndian(bytes);
    }

    private void Write16(ulong at, ushort value)
    {
        Span<byte> bytes = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        Require(memory.TryWrite(at, bytes));
    }
}

/// <summary>One descriptor of a chain.</summary>
/// <param name="Address">Guest-physical address.</param>
/// <param name="Length">Length in bytes.</param>
/// <param name="Writable">Whether the device writes it.</param>
public readonly record struct RingPart(ulong Address, uint Length, bool Writable);

/// <summary>A chain that the device gave back.</summary>
/// <param name="Head">Its head.</param>
/// <param name="Written">Bytes that the device says it wrote.</param>
public readonly record struct UsedChain(ushort Head, uint Written);
