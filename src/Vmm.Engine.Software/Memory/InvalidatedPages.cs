namespace Vmm.Engine.Software.Memory;

/// <summary>
/// The pages that were invalidated last: those of process contexts that are not current drop them later, global ones
/// among them (SDM Vol. 3A 4.10.4.1, INVLPG).
/// </summary>
internal sealed class InvalidatedPages
{
    private const int Capacity = 64;

    private readonly ulong[] _pages = new ulong[Capacity];

    /// <summary>How many there have been.</summary>
    public long Count { get; private set; }

    public void Add(ulong linear) => _pages[Count++ % Capacity] = linear;

    /// <summary>More pages than are kept: whoever has not seen all of them must drop everything.</summary>
    public void AddMany() => Count += Capacity + 1;

    /// <summary>Drops from a context's tables what was invalidated since they were current.</summary>
    public void DropFrom(ProcessContextTlb context)
    {
        if (Count - context.InvalidationsSeen > Capacity)
        {
            context.Clear();
        }
        else
        {
            for (long n = context.InvalidationsSeen; n < Count; n++)
            {
                context.ClearPage(_pages[n % Capacity]);
            }
        }

        context.InvalidationsSeen = Count;
    }
}
