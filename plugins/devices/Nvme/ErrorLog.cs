using System.Buffers.Binary;

namespace Vmm.Plugins.Nvme;

/// <summary>The error information log (NVMe 1.4, 5.14.1.1): the last failed commands, newest first.</summary>
internal sealed class ErrorLog
{
    public const int Entries = 16;
    public const int EntryLength = 64;

    private const ushort NoParticularParameter = 0xffff;

    private readonly Entry[] _ring = new Entry[Entries];

    private readonly record struct Entry(ulong Number, ushort QueueId, ushort CommandId, NvmeStatus Status, uint NamespaceId, ulong Lba);

    /// <summary>Errors in the life of the controller.</summary>
    public ulong Count { get; set; }

    public void Add(ushort queueId, in NvmeCommand command, NvmeStatus status)
    {
        ulong lba = queueId == 0 ? 0 : command.Dword10 | ((ulong)command.Dword11 << 32);
        _ring[Count % Entries] = new Entry(++Count, queueId, command.CommandId, status, command.NamespaceId, lba);
    }

    public void Write(Span<byte> data)
    {
        data.Clear();
        for (int i = 0; i < Entries && (ulong)i < Count; i++)
        {
            var entry = _ring[(Count - 1 - (ulong)i) % Entries];
            var place = data.Slice(i * EntryLength, EntryLength);
            BinaryPrimitives.WriteUInt64LittleEndian(place, entry.Number);
            BinaryPrimitives.WriteUInt16LittleEndian(place[8..], entry.QueueId);
            BinaryPrimitives.WriteUInt16LittleEndian(place[10..], entry.CommandId);
            BinaryPrimitives.WriteUInt16LittleEndian(place[12..], (ushort)((ushort)entry.Status << 1));
            BinaryPrimitives.WriteUInt16LittleEndian(place[14..], NoParticularParameter);
            BinaryPrimitives.WriteUInt64LittleEndian(place[16..], entry.Lba);
            BinaryPrimitives.WriteUInt32LittleEndian(place[24..], entry.NamespaceId);
        }
    }
}
