using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>The second dimension of address translation (SDM Vol. 3C 29.3).</summary>
internal sealed unsafe class ExtendedPageTables(CpuState* state, PhysicalAccess physical, IMemoryExits exits) : IDisposable
{
    private const ulong Rights = 7;
    private const ulong LargePage = 1 << 7;
    private const ulong Accessed = 1 << 8;
    private const ulong Dirty = 1 << 9;

    // By guest-physical page; dropped whole.
    private readonly TranslationCache _cache = new();
    private ulong _pointer;

    /// <summary>EPTP; 0 when "enable EPT" is off.</summary>
    public ulong Pointer
    {
        get => _pointer;
        set
        {
            if (_pointer != value)
            {
                _pointer = value;
                Flush();
            }
        }
    }

    public bool Enabled => _pointer != 0;

    private bool HasAccessedAndDirty => (_pointer & 1 << 6) != 0;

    /// <summary>INVEPT, or a change of EPTP.</summary>
    public void Flush() => _cache.FlushAll();

    /// <summary>What EPT allows at the address that it refused last.</summary>
    public EptAccess RefusedRights { get; private set; }

    /// <summary>Why the last translation failed.</summary>
    public Outcome FailureOutcome { get; private set; } = Outcome.Fault;

    /// <summary>
    /// Translates a guest-physical address. <paramref name="linear"/> and <paramref name="walk"/> describe the access for the exit
    /// qualification: an access to a paging structure, or to what the linear address translates to.
    /// </summary>
    public bool Translate(ulong guestPhysical, AccessKind kind, ulong linear, bool walk, out ulong host, out PageFlags flags)
    {
        if (!Enabled)
        {
            host = guestPhysical;
            flags = PageFlags.EptAll;
            return true;
        }

        ulong page = guestPhysical & Tlb.PageMask;
        AccessKind needed = walk && HasAccessedAndDirty ? AccessKind.Write : kind;
        Translation* cached = _cache.Find(page);
        if (cached == null || !Allows(cached->Flags, needed) || (needed == AccessKind.Write && (cached->Flags & PageFlags.Dirty) == 0))
        {
            if (!Walk(page, guestPhysical, needed, kind, linear, walk, out Translation found))
            {
                // Loads and stores that are refused exit with their data in place (IMemoryExits).
                host = guestPhysical;
                flags = found.Flags & PageFlags.EptRefused;
                return flags != PageFlags.None;
            }

            cached = _cache.Insert(page, found);
        }

        host = cached->Physical | (guestPhysical & 0xFFF);
        flags = cached->Flags & PageFlags.EptAll;
        return true;
    }

    private bool Walk(
        ulong page, ulong guestPhysical, AccessKind needed, AccessKind kind, ulong linear, bool walk, out Translation found)
    {
        found = default;
        ulong table = _pointer & physical.AddressMask & Tlb.PageMask;
        ulong rights = Rights;
        Span<ulong> path = stackalloc ulong[4];
        for (int level = 3; ; level--)
        {
            int shift = 12 + 9 * level;
            ulong address = table + ((page >> shift & 511) << 3);
            ulong entry = physical.Read(address);
            path[level] = address;
            bool leaf = level == 0 || (entry & LargePage) != 0;
            if ((entry & Rights) == 0)
            {
                return Violation(guestPhysical, needed, kind, linear, walk, 0, ref found);
            }

            if (IsMisconfigured(entry, level, leaf))
            {
                Sync();
                FailureOutcome = exits.EptMisconfiguration(LogicalProcessor.Of(state), guestPhysical);
                return false;
            }

            rights &= entry;
            if (!leaf)
            {
                table = entry & physical.AddressMask & Tlb.PageMask;
                continue;
            }

            PageFlags flags = (PageFlags)((rights & 1) << 8 | (rights & 2) << 5 | (rights & 4) << 5);
            if (!Allows(flags, needed))
            {
                return Violation(guestPhysical, needed, kind, linear, walk, rights, ref found);
            }

            SetAccessed(path[level..], needed);
            ulong inner = (1UL << shift) - 1;
            found.Physical = (entry & physical.AddressMask & ~inner) | (page & inner);
            found.Flags = flags | (needed == AccessKind.Write || !HasAccessedAndDirty ? PageFlags.Dirty : PageFlags.None);
            return true;
        }
    }

    // SDM Vol. 3C 29.3.3.1
    private bool IsMisconfigured(ulong entry, int level, bool leaf)
    {
        if ((entry & 3) == 2)
        {
            return true;
        }

        ulong reserved = ~physical.AddressMask & 0x000F_FFFF_FFFF_F000;
        if (!leaf)
        {
            reserved |= level == 3 ? 0xF8UL : 0x78UL;
            return (entry & reserved) != 0;
        }

        if (level == 3)
        {
            return true;
        }

        int type = (int)(entry >> 3) & 7;
        reserved |= ((1UL << (12 + 9 * level)) - 1) & ~0xFFFUL;
        return (entry & reserved) != 0 || type is 2 or 3 or 7;
    }

    private void SetAccessed(ReadOnlySpan<ulong> path, AccessKind needed)
    {
        if (!HasAccessedAndDirty)
        {
            return;
        }

        physical.Or(path[0], needed == AccessKind.Write ? Accessed | Dirty : Accessed);
        foreach (ulong address in path[1..])
        {
            physical.Or(address, Accessed);
        }
    }

    private static bool Allows(PageFlags flags, AccessKind kind) => (flags & kind switch
    {
        AccessKind.Read => PageFlags.EptRead,
        AccessKind.Write => PageFlags.EptWrite,
        _ => PageFlags.EptExecute,
    }) != 0;

    // Exit qualification: SDM Vol. 3C table 28-7.
    private bool Violation(
        ulong guestPhysical, AccessKind needed, AccessKind kind, ulong linear, bool walk, ulong rights, ref Translation found)
    {
        RefusedRights = (EptAccess)rights;
        if (!walk && kind != AccessKind.Fetch)
        {
            found.Flags = PageFlags.EptRefused;
            return false;
        }

        ulong qualification = 1UL << (int)kind | rights << 3 | 1 << 7 | (walk ? 0UL : 1 << 8);
        if (walk && needed == AccessKind.Write)
        {
            qualification |= 3;
        }

        Sync();
        FailureOutcome = exits.EptViolation(LogicalProcessor.Of(state), guestPhysical, linear, qualification);
        return false;
    }

    private void Sync()
    {
        if (state->CurrentInstruction != null)
        {
            state->Rip = state->CurrentInstruction->Rip;
        }
    }

    public void Dispose() => _cache.Dispose();
}
