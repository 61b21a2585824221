namespace Vmm.Kernel;

/// <summary>Ranges of numbers with their owners, sorted; built before the guest runs. Two owners of one number are an error.</summary>
internal sealed class RangeTable<T>
    where T : class
{
    private readonly List<Entry> _entries = [];
    private readonly List<ResourceConflict> _conflicts = [];

    /// <summary>Overlaps among the ranges added.</summary>
    public IReadOnlyList<ResourceConflict> Conflicts => _conflicts;

    /// <summary>Adds a range.</summary>
    public void Add(string resource, string owner, string name, ulong first, ulong last, T value)
    {
        var entry = new Entry(first, last, $"'{owner}' range '{name}' 0x{first:x}-0x{last:x}", value);
        _conflicts.AddRange(_entries.Where(e => e.First <= last && first <= e.Last)
            .Select(e => new ResourceConflict(resource, e.Description, entry.Description)));
        _entries.Add(entry);
        _entries.Sort((a, b) => a.First.CompareTo(b.First));
    }

    /// <summary>The owner of a number, or null.</summary>
    public T? Find(ulong number)
    {
        int low = 0, high = _entries.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            Entry entry = _entries[middle];
            if (number < entry.First)
            {
                high = middle - 1;
            }
            else if (number > entry.Last)
            {
                low = middle + 1;
            }
            else
            {
                return entry.Value;
            }
        }

        return null;
    }

    private sealed record Entry(ulong First, ulong Last, string Description, T Value);
}
