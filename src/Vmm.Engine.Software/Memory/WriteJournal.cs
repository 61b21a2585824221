namespace Vmm.Engine.Software.Memory;

/// <summary>The writes of a trial run to memory: what was there before and after.</summary>
internal sealed unsafe class WriteJournal
{
    private readonly List<(nint Place, byte[] Before, byte[] After)> _writes = [];

    /// <summary>Whether a device was accessed: that cannot be taken back.</summary>
    public bool ReachedDevice { get; private set; }

    public void Clear()
    {
        _writes.Clear();
        ReachedDevice = false;
    }

    /// <summary>Notes a write that is about to happen.</summary>
    public void Note(byte* place, int length) => _writes.Add(((nint)place, At((nint)place, length).ToArray(), new byte[length]));

    public void NoteDevice() => ReachedDevice = true;

    /// <summary>Takes all writes back, and keeps what they had written.</summary>
    public void Undo()
    {
        for (int n = _writes.Count - 1; n >= 0; n--)
        {
            (nint place, byte[] before, byte[] after) = _writes[n];
            Span<byte> memory = At(place, before.Length);
            memory.CopyTo(after);
            before.CopyTo(memory);
        }
    }

    /// <summary>Writes again what was taken back.</summary>
    public void Redo()
    {
        foreach ((nint place, byte[] _, byte[] after) in _writes)
        {
            after.CopyTo(At(place, after.Length));
        }
    }

    /// <summary>Whether memory is now as it was before <see cref="Undo"/>.</summary>
    public bool IsRedone()
    {
        // Of writes to one place the last counts: it was taken back first.
        for (int n = _writes.Count - 1; n >= 0; n--)
        {
            (nint place, byte[] before, byte[] after) = _writes[n];
            if (!At(place, after.Length).SequenceEqual(after) && !IsOverwritten(n))
            {
                return false;
            }
        }

        return true;
    }

    private bool IsOverwritten(int index)
    {
        (nint place, byte[] before, byte[] _) = _writes[index];
        for (int n = index + 1; n < _writes.Count; n++)
        {
            if (_writes[n].Place < place + before.Length && place < _writes[n].Place + _writes[n].Before.Length)
            {
                return true;
            }
        }

        return false;
    }

    private static Span<byte> At(nint place, int length) => new((void*)place, length);
}
