namespace Vmm.Plugins.RawStorage;

/// <summary>What is left of a list of buffers while a transfer proceeds in pieces.</summary>
internal struct Remaining<T>(IReadOnlyList<T> buffers, Func<T, int, T> slice, Func<T, int> length)
{
    private int _index;
    private int _start;

    /// <summary>The next buffers, at most <paramref name="most"/>; empty at the end. The common case costs no copy.</summary>
    public readonly IReadOnlyList<T> Next(int most)
    {
        if (_index == 0 && _start == 0 && buffers.Count <= most)
        {
            return buffers;
        }

        var part = new List<T>(Math.Min(most, buffers.Count - _index));
        for (int i = _index; i < buffers.Count && part.Count < most; i++)
        {
            part.Add(i == _index && _start > 0 ? slice(buffers[i], _start) : buffers[i]);
        }

        return part;
    }

    public void Advance(long bytes)
    {
        while (_index < buffers.Count && bytes >= length(buffers[_index]) - _start)
        {
            bytes -= length(buffers[_index]) - _start;
            _index++;
            _start = 0;
        }

        _start += (int)bytes;
    }
}
