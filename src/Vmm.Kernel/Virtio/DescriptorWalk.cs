using System.Buffers.Binary;

namespace Vmm.Kernel;

/// <summary>
/// Follows the descriptors of one chain (VIRTIO 1.2, 2.7.5). Every word is the guest's and may be wrong or change while
/// it is read: each descriptor is copied once and checked then.
/// </summary>
/// <param name="memory">Guest memory.</param>
/// <param name="layout">The queue.</param>
/// <param name="longest">Most descriptors in a chain; what ends a loop.</param>
/// <param name="indirect">Whether indirect tables were negotiated.</param>
internal readonly ref struct DescriptorWalk(IGuestMemory memory, VirtqueueLayout layout, int longest, bool indirect)
{
    private const ushort Next = 1, Write = 2, Indirect = 4;
    private const ulong LongestBytes = 1UL << 32;

    /// <summary>Collects the parts of a chain.</summary>
    /// <param name="chain">Takes the parts.</param>
    /// <returns>What is wrong, or null.</returns>
    public string? Collect(VirtioChain chain)
    {
        ulong table = layout.Descriptors, bytes = 0;
        int entries = layout.Size, index = chain.Head, left = longest;
        bool inTable = false, writing = false;
        Span<byte> descriptor = stackalloc byte[VirtqueueLayout.DescriptorLength];
        while (true)
        {
            if (index >= entries)
            {
                return $"descriptor {index} is beyond its table of {entries}";
            }

            if (left-- == 0)
            {
                return $"the chain of descriptor {chain.Head} has more than {longest} descriptors";
            }

            if (!memory.TryRead(table + ((ulong)index * VirtqueueLayout.DescriptorLength), descriptor))
            {
                return $"the descriptor table at 0x{table:x} is not in memory";
            }

            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(descriptor);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(descriptor[8..]);
            ushort flags = BinaryPrimitives.ReadUInt16LittleEndian(descriptor[12..]);
            if ((flags & Indirect) != 0)
            {
                if (!indirect || inTable || (flags & Next) != 0 || length == 0 || length % VirtqueueLayout.DescriptorLength != 0)
                {
                    return $"the indirect descriptor {index} is not allowed here or has no whole table";
                }

                (table, entries, index, inTable) = (address, (int)(length / VirtqueueLayout.DescriptorLength), 0, true);
                continue;
            }

            bool writable = (flags & Write) != 0;
            if (writing && !writable)
            {
                return $"descriptor {index} is for reading after one for writing";
            }

            writing = writable;
            bytes += length;
            if (length > int.MaxValue || bytes > LongestBytes || (length != 0 && !chain.TryAdd(memory, address, (int)length, writable)))
            {
                return $"descriptor {index} is not in memory: 0x{length:x} bytes at 0x{address:x}";
            }

            if ((flags & Next) == 0)
            {
                return null;
            }

            index = BinaryPrimitives.ReadUInt16LittleEndian(descriptor[14..]);
        }
    }
}
