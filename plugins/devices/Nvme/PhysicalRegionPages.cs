using System.Buffers.Binary;
using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>
/// Data pointers by physical region pages (NVMe 1.4, 4.3): PRP1 points anywhere in the first page; PRP2 is the second
/// page, or a list of pages when there are more. Addresses that follow each other become one buffer.
/// </summary>
internal ref struct PhysicalRegionPages(IGuestMemory memory, GuestAccess access, List<Memory<byte>> buffers)
{
    private const ulong PageOffset = QueueLimits.PageSize - 1;
    private const int EntryLength = 8;

    private ulong _start;
    private int _length;

    /// <summary>Finds the buffers of a transfer.</summary>
    /// <param name="prp1">PRP entry 1.</param>
    /// <param name="prp2">PRP entry 2.</param>
    /// <param name="length">Bytes to transfer, at least 1.</param>
    public NvmeStatus Map(ulong prp1, ulong prp2, int length)
    {
        // Dword alignment is required of the offset; 4.3 names the status.
        if ((prp1 & 3) != 0)
        {
            return NvmeStatus.PrpOffsetInvalid;
        }

        int first = Math.Min(length, QueueLimits.PageSize - (int)(prp1 & PageOffset));
        var status = Add(prp1, first);
        int rest = length - first;
        if (status == NvmeStatus.Success && rest > 0)
        {
            status = rest <= QueueLimits.PageSize ? AddPage(prp2, rest) : AddList(prp2, rest);
        }

        return status == NvmeStatus.Success ? Pin() : status;
    }

    private NvmeStatus AddList(ulong list, int rest)
    {
        if ((list & (EntryLength - 1)) != 0)
        {
            return NvmeStatus.PrpOffsetInvalid;
        }

        Span<byte> page = stackalloc byte[QueueLimits.PageSize];
        while (true)
        {
            int needed = (rest + QueueLimits.PageSize - 1) / QueueLimits.PageSize;
            int room = (QueueLimits.PageSize - (int)(list & PageOffset)) / EntryLength;
            int count = Math.Min(needed, room);
            var entries = page[..(count * EntryLength)];
            if (!memory.TryRead(list, entries))
            {
                return NvmeStatus.DataTransferError;
            }

            // When the list does not fit, the last entry of its page points to the next page of it.
            int pages = needed > room ? count - 1 : count;
            for (int i = 0; i < pages; i++)
            {
                int part = Math.Min(rest, QueueLimits.PageSize);
                if (AddPage(EntryAt(entries, i), part) is not NvmeStatus.Success and var failed)
                {
                    return failed;
                }

                rest -= part;
            }

            if (rest == 0)
            {
                return NvmeStatus.Success;
            }

            list = EntryAt(entries, count - 1);
            if ((list & PageOffset) != 0)
            {
                return NvmeStatus.PrpOffsetInvalid;
            }
        }
    }

    private static ulong EntryAt(ReadOnlySpan<byte> entries, int index) =>
        BinaryPrimitives.ReadUInt64LittleEndian(entries[(index * EntryLength)..]);

    private NvmeStatus AddPage(ulong address, int length) =>
        (address & PageOffset) != 0 ? NvmeStatus.PrpOffsetInvalid : Add(address, length);

    private NvmeStatus Add(ulong address, int length)
    {
        if (_length > 0 && _start + (ulong)_length == address)
        {
            _length += length;
            return NvmeStatus.Success;
        }

        var status = _length > 0 ? Pin() : NvmeStatus.Success;
        _start = address;
        _length = length;
        return status;
    }

    private readonly NvmeStatus Pin()
    {
        if (memory.TryPin(_start, _length, access, out var buffer))
        {
            buffers.Add(buffer);
            return NvmeStatus.Success;
        }

        // The range may cross from one region of memory into the next: page by page each lies in one.
        for (int done = 0; done < _length;)
        {
            ulong address = _start + (ulong)done;
            int part = Math.Min(_length - done, QueueLimits.PageSize - (int)(address & PageOffset));
            if (!memory.TryPin(address, part, access, out buffer))
            {
                return NvmeStatus.DataTransferError;
            }

            buffers.Add(buffer);
            done += part;
        }

        return NvmeStatus.Success;
    }
}
