namespace Vmm.Engine.Kvm.Memory;

/// <summary>
/// Reads the EPT tables that a VMCS points to (SDM Vol. 3C 29.3) as ranges of memory. KVM keeps its own tables; ours say
/// what the guest is to see, so that an A20 gate or a shadowed ROM works as on any engine.
/// </summary>
internal sealed class ExtendedPageWalk(HostPages pages, IPhysicalMemory memory)
{
    private const int EntriesPerTable = 512, TopLevel = 4;

    private readonly List<GuestMapping> _found = [];

    /// <summary>Every range that is mapped to memory, sorted, neighbours joined.</summary>
    public static List<GuestMapping> Read(EptPointer pointer, HostPages pages, IPhysicalMemory memory)
    {
        var walk = new ExtendedPageWalk(pages, memory);
        walk.Walk(pointer.Address, TopLevel, 0);
        return walk._found;
    }

    private void Walk(ulong table, int level, ulong first)
    {
        for (int index = 0; index < EntriesPerTable; index++)
        {
            var entry = new EptEntry(pages.ReadEntry(table, index));
            ulong address = first + ((ulong)index * PageLength(level));
            if (!entry.IsPresent)
            {
                continue;
            }

            if (entry.IsPage(level))
            {
                Add(address, entry.Translate(level, 0), PageLength(level), (entry.Permissions & EptAccess.Write) == 0);
            }
            else
            {
                Walk(entry.Address, level - 1, address);
            }
        }
    }

    // A page may reach over the end of a region, or over several: what lies between is device memory.
    private void Add(ulong guest, ulong host, ulong length, bool readOnly)
    {
        foreach (PhysicalRegion region in memory.Regions)
        {
            ulong start = Math.Max(host, region.GuestPhysicalAddress);
            ulong end = Math.Min(host + length, region.GuestPhysicalAddress + region.Length);
            if (start < end)
            {
                ulong offset = start - region.GuestPhysicalAddress;
                Append(new GuestMapping(
                    guest + (start - host), end - start, region.HostAddress + (nint)offset, readOnly || region.ReadOnly, region.DirtyBitmap, offset >> 12));
            }
        }
    }

    private void Append(in GuestMapping mapping)
    {
        if (_found.Count > 0 && _found[^1].ContinuesWith(mapping))
        {
            _found[^1] = _found[^1] with { Length = _found[^1].Length + mapping.Length };
        }
        else
        {
            _found.Add(mapping);
        }
    }

    private static ulong PageLength(int level) => 1UL << (12 + (9 * (level - 1)));
}
