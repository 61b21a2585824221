using System.Buffers.Binary;
using Vmm.Plugins.Nvme;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.Nvme;

/// <summary>A completion queue entry as a driver reads it.</summary>
internal readonly record struct Completion(uint Result, ushort QueueHead, ushort QueueId, ushort CommandId, ushort Status, bool DoNotRetry);

/// <summary>A minimal driver of the controller, on the fake board.</summary>
internal sealed class NvmeDriver
{
    public const ulong Registers = 0xf000_0000;
    public const uint Enable = 0x0046_0001;
    public const int Entries = 16;

    private const ulong QueueMemory = 0x10_0000;
    private const ulong QueueStride = 0x1_0000;

    private readonly Dictionary<int, (ushort Tail, ushort Head, bool Phase, int Size)> _queues = [];
    private ushort _nextCommand;

    public NvmeDriver(IBlockBackend backend, NvmeOptions? options = null, FakeBoard? board = null)
    {
        Board = board ?? new FakeBoard();
        Slot = new FakePciSlot(Board);
        Device = Board.Start(new NvmeDevice(options ?? new NvmeOptions { Serial = "test-1" }, Board, Slot, backend));
        Slot.MessageInterrupts!.Enabled = true;
        Slot.Map(0, Registers);
    }

    public FakeBoard Board { get; }

    public FakePciSlot Slot { get; }

    public NvmeDevice Device { get; }

    public uint Status => Board.Mmio.Read32(Registers + 0x1c);

    public static ulong SubmissionAddress(int queue) => QueueMemory + ((ulong)queue * QueueStride);

    public static ulong CompletionAddress(int queue) => SubmissionAddress(queue) + (QueueStride / 2);

    public static byte[] Command(
        byte opcode, uint nsid = 0, ulong prp1 = 0, ulong prp2 = 0, uint d10 = 0, uint d11 = 0, uint d12 = 0, uint d13 = 0)
    {
        byte[] entry = new byte[64];
        entry[0] = opcode;
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(4), nsid);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(24), prp1);
        BinaryPrimitives.WriteUInt64LittleEndian(entry.AsSpan(32), prp2);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(40), d10);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(44), d11);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(48), d12);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(52), d13);
        return entry;
    }

    public static byte[] Transfer(byte opcode, ulong lba, int blocks, ulong prp1, ulong prp2 = 0, uint flags = 0) =>
        Command(opcode, 1, prp1, prp2, (uint)lba, (uint)(lba >> 32), (uint)(blocks - 1) | flags);

    /// <summary>Sets the admin queues up and enables the controller.</summary>
    public NvmeDriver Start(int entries = Entries, uint configuration = Enable)
    {
        _queues.Clear();
        Forget(0, entries);
        Board.Mmio.Write32(Registers + 0x24, (uint)(entries - 1) | ((uint)(entries - 1) << 16));
        Board.Mmio.Write64(Registers + 0x28, SubmissionAddress(0));
        Board.Mmio.Write64(Registers + 0x30, CompletionAddress(0));
        Board.Mmio.Write32(Registers + 0x14, configuration);
        return this;
    }

    /// <summary>Makes a pair of I/O queues.</summary>
    public NvmeDriver WithQueue(int id = 1, int entries = Entries)
    {
        Forget(id, entries);
        Assert.Equal(0, Admin(CreateCompletion(id, entries)).Status);
        Assert.Equal(0, Admin(CreateSubmission(id, entries)).Status);
        return this;
    }

    public static byte[] CreateCompletion(int id, int entries, uint flags = 3, int? vector = null, ulong? address = null) =>
        Command(0x05, prp1: address ?? CompletionAddress(id), d10: (uint)id | ((uint)(entries - 1) << 16), d11: flags | ((uint)(vector ?? id) << 16));

    public static byte[] CreateSubmission(int id, int entries, uint flags = 1, int? completions = null, ulong? address = null) =>
        Command(0x01, prp1: address ?? SubmissionAddress(id), d10: (uint)id | ((uint)(entries - 1) << 16), d11: flags | ((uint)(completions ?? id) << 16));

    public Completion Admin(byte[] command) => Run(0, command);

    /// <summary>Submits a command, rings the doorbell, and takes the completion, which must be there or come by posted work.</summary>
    public Completion Run(int queue, byte[] command)
    {
        ushort id = Submit(queue, command);
        var completion = Await(queue);
        Assert.Equal(id, completion.CommandId);
        return completion;
    }

    /// <summary>Puts a command into a submission queue.</summary>
    public ushort Submit(int queue, byte[] command, bool ring = true)
    {
        var (tail, head, phase, size) = _queues[queue];
        ushort id = _nextCommand++;
        BinaryPrimitives.WriteUInt16LittleEndian(command.AsSpan(2), id);
        Assert.True(Board.Memory.TryWrite(SubmissionAddress(queue) + (64ul * tail), command));
        _queues[queue] = ((ushort)((tail + 1) % size), head, phase, size);
        if (ring)
        {
            Ring(queue);
        }

        return id;
    }

    public void Ring(int queue) => Board.Mmio.Write32(Registers + 0x1000 + (8ul * (uint)queue), _queues[queue].Tail);

    public Completion Await(int queue)
    {
        Completion? completion = null;
        Assert.True(Board.RunPostedUntil(() => (completion ??= TryTake(queue)) is not null, TimeSpan.FromSeconds(10)), "no completion came");
        return completion!.Value;
    }

    /// <summary>Takes a completion if there is one, and rings the doorbell unless told not to.</summary>
    public Completion? TryTake(int queue, bool ring = true)
    {
        var (tail, head, phase, size) = _queues[queue];
        Span<byte> entry = stackalloc byte[16];
        Assert.True(Board.Memory.TryRead(CompletionAddress(queue) + (16ul * head), entry));
        uint last = BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]);
        if (((last >> 16) & 1) != 0 != phase)
        {
            return null;
        }

        head = (ushort)((head + 1) % size);
        _queues[queue] = (tail, head, phase ^ (head == 0), size);
        if (ring)
        {
            RingHead(queue);
        }

        return new Completion(
            BinaryPrimitives.ReadUInt32LittleEndian(entry),
            BinaryPrimitives.ReadUInt16LittleEndian(entry[8..]),
            BinaryPrimitives.ReadUInt16LittleEndian(entry[10..]),
            (ushort)last,
            (ushort)((last >> 17) & 0x7ff),
            (last >> 31) != 0);
    }

    public void RingHead(int queue) => Board.Mmio.Write32(Registers + 0x1004 + (8ul * (uint)queue), _queues[queue].Head);

    /// <summary>Goes on with the queues of another driver: those of the guest whose state was restored.</summary>
    public void TakeOver(NvmeDriver other)
    {
        foreach (var (id, queue) in other._queues)
        {
            _queues[id] = queue;
        }

        _nextCommand = other._nextCommand;
        other.Board.Memory.Bytes.CopyTo(Board.Memory.Bytes);
    }

    private void Forget(int queue, int entries)
    {
        _queues[queue] = (0, 0, true, entries);
        Board.Memory.Bytes.Slice((int)CompletionAddress(queue), entries * 16).Clear();
    }
}
