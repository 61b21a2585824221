namespace Vmm.Sdk;

/// <summary>
/// The parts of a chain as one run of bytes. Drivers may cut a request into parts wherever they like (VIRTIO 1.2, 2.7.4),
/// so a device asks for bytes by their position, never for a part by its number.
/// </summary>
public static class ScatterGather
{
    /// <summary>Bytes in all parts.</summary>
    /// <param name="parts">The parts.</param>
    public static long Length(this IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        long length = 0;
        for (int i = 0; i < parts.Count; i++)
        {
            length += parts[i].Length;
        }

        return length;
    }

    /// <inheritdoc cref="Length(IReadOnlyList{ReadOnlyMemory{byte}})"/>
    public static long Length(this IReadOnlyList<Memory<byte>> parts)
    {
        long length = 0;
        for (int i = 0; i < parts.Count; i++)
        {
            length += parts[i].Length;
        }

        return length;
    }

    /// <summary>Copies bytes out of the parts.</summary>
    /// <param name="parts">The parts.</param>
    /// <param name="position">Position of the first byte.</param>
    /// <param name="destination">Where to.</param>
    /// <returns>How many bytes there were, at most the length of <paramref name="destination"/>.</returns>
    public static int Read(this IReadOnlyList<ReadOnlyMemory<byte>> parts, long position, Span<byte> destination)
    {
        int done = 0;
        for (int i = 0; i < parts.Count && done < destination.Length; i++)
        {
            ReadOnlySpan<byte> part = parts[i].Span;
            if (position >= part.Length)
            {
                position -= part.Length;
                continue;
            }

            ReadOnlySpan<byte> source = part[(int)position..];
            source = source[..Math.Min(source.Length, destination.Length - done)];
            source.CopyTo(destination[done..]);
            done += source.Length;
            position = 0;
        }

        return done;
    }

    /// <summary>Copies bytes into the parts.</summary>
    /// <param name="parts">The parts.</param>
    /// <param name="position">Position of the first byte.</param>
    /// <param name="source">The bytes.</param>
    /// <returns>How many had room, at most the length of <paramref name="source"/>.</returns>
    public static int Write(this IReadOnlyList<Memory<byte>> parts, long position, ReadOnlySpan<byte> source)
    {
        int done = 0;
        for (int i = 0; i < parts.Count && done < source.Length; i++)
        {
            Span<byte> part = parts[i].Span;
            if (position >= part.Length)
            {
                position -= part.Length;
                continue;
            }

            Span<byte> destination = part[(int)position..];
            int length = Math.Min(destination.Length, source.Length - done);
            source.Slice(done, length).CopyTo(destination);
            done += length;
            position = 0;
        }

        return done;
    }

    /// <summary>Adds the parts that make up a range, cut where the range begins and ends.</summary>
    /// <param name="parts">The parts.</param>
    /// <param name="position">Position of the first byte.</param>
    /// <param name="length">Number of bytes; what is not there is not added.</param>
    /// <param name="range">Takes the parts.</param>
    public static void AddRange(this IReadOnlyList<ReadOnlyMemory<byte>> parts, long position, long length, List<ReadOnlyMemory<byte>> range)
    {
        for (int i = 0; i < parts.Count && length > 0; i++)
        {
            int skip = (int)Math.Min(position, parts[i].Length), take = (int)Math.Min(length, parts[i].Length - skip);
            if (take > 0)
            {
                range.Add(parts[i].Slice(skip, take));
            }

            position -= skip;
            length -= take;
        }
    }

    /// <inheritdoc cref="AddRange(IReadOnlyList{ReadOnlyMemory{byte}}, long, long, List{ReadOnlyMemory{byte}})"/>
    public static void AddRange(this IReadOnlyList<Memory<byte>> parts, long position, long length, List<Memory<byte>> range)
    {
        for (int i = 0; i < parts.Count && length > 0; i++)
        {
            int skip = (int)Math.Min(position, parts[i].Length), take = (int)Math.Min(length, parts[i].Length - skip);
            if (take > 0)
            {
                range.Add(parts[i].Slice(skip, take));
            }

            position -= skip;
            length -= take;
        }
    }
}
