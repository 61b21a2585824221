namespace Vmm.Sdk;

/// <summary>A first-in-first-out buffer of fixed size. It never allocates after construction.</summary>
/// <param name="capacity">Number of bytes it holds, at least 1.</param>
public sealed class ByteFifo(int capacity)
{
    private readonly byte[] _bytes = new byte[capacity];
    private int _first;

    /// <summary>Number of bytes it can hold.</summary>
    public int Capacity => _bytes.Length;

    /// <summary>Number of bytes in it.</summary>
    public int Count { get; private set; }

    /// <summary>Whether nothing is in it.</summary>
    public bool IsEmpty => Count == 0;

    /// <summary>Whether nothing more fits.</summary>
    public bool IsFull => Count == _bytes.Length;

    /// <summary>Adds a byte.</summary>
    /// <param name="value">The byte.</param>
    /// <returns>False, with nothing changed, when it is full.</returns>
    public bool TryEnqueue(byte value)
    {
        if (IsFull)
        {
            return false;
        }

        _bytes[(_first + Count) % _bytes.Length] = value;
        Count++;
        return true;
    }

    /// <summary>Adds as many bytes as fit.</summary>
    /// <param name="values">The bytes.</param>
    /// <returns>How many were added, from the start of <paramref name="values"/>.</returns>
    public int Enqueue(ReadOnlySpan<byte> values)
    {
        int taken = Math.Min(values.Length, _bytes.Length - Count);
        for (int i = 0; i < taken; i++)
        {
            TryEnqueue(values[i]);
        }

        return taken;
    }

    /// <summary>Takes the oldest byte.</summary>
    /// <param name="value">The byte, or 0.</param>
    /// <returns>False when it is empty.</returns>
    public bool TryDequeue(out byte value)
    {
        if (!TryPeek(out value))
        {
            return false;
        }

        _first = (_first + 1) % _bytes.Length;
        Count--;
        return true;
    }

    /// <summary>Looks at the oldest byte.</summary>
    /// <param name="value">The byte, or 0.</param>
    /// <returns>False when it is empty.</returns>
    public bool TryPeek(out byte value)
    {
        value = IsEmpty ? (byte)0 : _bytes[_first];
        return !IsEmpty;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        _first = 0;
        Count = 0;
    }

    /// <summary>Writes the content, oldest byte first, as one field of bytes.</summary>
    /// <param name="state">Takes the field.</param>
    /// <param name="field">Field number.</param>
    public void Save(IStateWriter state, int field)
    {
        // A length and the whole buffer: readers of bytes must know the length beforehand.
        byte[] image = new byte[4 + _bytes.Length];
        BitConverter.TryWriteBytes(image, Count);
        for (int i = 0; i < Count; i++)
        {
            image[4 + i] = _bytes[(_first + i) % _bytes.Length];
        }

        state.Bytes(field, image);
    }

    /// <summary>Reads what <see cref="Save"/> wrote; absent, the buffer becomes empty.</summary>
    /// <param name="state">Gives the field.</param>
    /// <param name="field">Field number.</param>
    /// <exception cref="StateException">The saved count is impossible.</exception>
    public void Restore(IStateReader state, int field)
    {
        Clear();
        byte[] image = new byte[4 + _bytes.Length];
        if (!state.Bytes(field, image))
        {
            return;
        }

        int count = BitConverter.ToInt32(image);
        if (count < 0 || count > _bytes.Length)
        {
            throw new StateException($"field {field}: a buffer of {_bytes.Length} bytes cannot hold {count}");
        }

        Enqueue(image.AsSpan(4, count));
    }
}
