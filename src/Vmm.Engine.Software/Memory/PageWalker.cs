using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>Walks the guest's paging structures (SDM Vol. 3A ch. 4).</summary>
internal sealed unsafe class PageWalker(CpuState* state, PhysicalAccess physical, ExtendedPageTables ept)
{
    private const ulong Present = 1 << 0;
    private const ulong Writable = 1 << 1;
    private const ulong User = 1 << 2;
    private const ulong Accessed = 1 << 5;
    private const ulong Dirty = 1 << 6;
    private const ulong LargePage = 1 << 7;
    private const ulong Global = 1 << 8;
    private const ulong NoExecute = 1UL << 63;

    /// <summary>
    /// Translates a linear page and, when <paramref name="access"/> is allowed, sets accessed and dirty bits.
    /// </summary>
    public WalkResult Walk(ulong linear, in LinearAccess access, out Translation result)
    {
        result = default;
        if ((state->Cr0 & (ulong)Cr0Bits.Pg) == 0)
        {
            result.GuestPhysical = linear & Tlb.PageMask;
            result.Flags = PageFlags.User | PageFlags.Writable | PageFlags.Dirty;
            return WalkResult.Done;
        }

        // An entry that another processor changes during the walk makes it start over.
        WalkResult walked;
        do
        {
            walked = (state->Cr4 & (ulong)Cr4Bits.Pae) == 0
                ? Walk32(linear, access, ref result)
                : (state->Efer & (ulong)EferBits.Lma) == 0 ? WalkPae(linear, access, ref result) : Walk64(linear, access, ref result);
        }
        while (walked == WalkResult.Again);
        return walked;
    }

    private WalkResult Walk64(ulong linear, in LinearAccess access, ref Translation result) =>
        WalkWide(state->Cr3 & physical.AddressMask & Tlb.PageMask, 3, linear, access, 0, ref result);

    // The page-directory-pointer entries were loaded, and checked, with CR3 (SDM Vol. 3A 4.4.1).
    private WalkResult WalkPae(ulong linear, in LinearAccess access, ref Translation result)
    {
        ulong entry = (&state->Pdpte0)[linear >> 30 & 3];
        return (entry & Present) == 0
            ? WalkResult.NotPresent
            : WalkWide(entry & physical.AddressMask & Tlb.PageMask, 1, linear, access, 0x7FF0_0000_0000_0000, ref result);
    }

    private WalkResult WalkWide(ulong table, int top, ulong linear, in LinearAccess access, ulong reserved, ref Translation result)
    {
        Span<ulong> addresses = stackalloc ulong[4];
        Span<ulong> entries = stackalloc ulong[4];
        reserved |= ~physical.AddressMask & 0x000F_FFFF_FFFF_F000;
        if ((state->Efer & (ulong)EferBits.Nxe) == 0)
        {
            reserved |= NoExecute;
        }

        ulong rights = Writable | User;
        ulong noExecute = 0;
        for (int level = top; ; level--)
        {
            int shift = 12 + 9 * level;
            if (!ept.Translate(table + ((linear >> shift & 511) << 3), AccessKind.Read, linear, true, out addresses[level], out _))
            {
                return WalkResult.Aborted;
            }

            ulong entry = physical.Read(addresses[level]);
            entries[level] = entry;
            if ((entry & Present) == 0)
            {
                return WalkResult.NotPresent;
            }

            bool leaf = level == 0 || (level <= 2 && (entry & LargePage) != 0);
            ulong inner = (1UL << shift) - 1;
            ulong alignment = leaf && level > 0 ? inner & ~0x1FFFUL : 0;
            if ((entry & (reserved | alignment)) != 0 || (level == 3 && (entry & LargePage) != 0))
            {
                return WalkResult.Reserved;
            }

            rights &= entry;
            noExecute |= entry & NoExecute;
            if (!leaf)
            {
                table = entry & physical.AddressMask & Tlb.PageMask;
                continue;
            }

            ulong baseMask = level == 0 ? Tlb.PageMask : ~inner;
            result.GuestPhysical = (entry & physical.AddressMask & baseMask) | (linear & inner & Tlb.PageMask);
            result.Flags = Flags(rights, noExecute != 0, entry, level);
            return access.IsAllowed(state, result.Flags)
                ? SetAccessed(addresses[level..(top + 1)], entries[level..(top + 1)], access, ref result, wide: true)
                : WalkResult.Denied;
        }
    }

    private WalkResult Walk32(ulong linear, in LinearAccess access, ref Translation result)
    {
        Span<ulong> addresses = stackalloc ulong[2];
        Span<ulong> entries = stackalloc ulong[2];
        ulong table = state->Cr3 & 0xFFFF_F000;
        if (!ept.Translate(table + (linear >> 22 & 1023) * 4, AccessKind.Read, linear, true, out addresses[1], out _))
        {
            return WalkResult.Aborted;
        }

        ulong directory = physical.Read32(addresses[1]);
        entries[1] = directory;
        if ((directory & Present) == 0)
        {
            return WalkResult.NotPresent;
        }

        if ((directory & LargePage) != 0 && (state->Cr4 & (ulong)Cr4Bits.Pse) != 0)
        {
            // PSE-36: bits 20:13 are address bits 39:32, bit 21 is reserved (SDM Vol. 3A table 4-4).
            ulong high = directory >> 13 & 0xFF;
            if ((directory & 1 << 21) != 0 || (high << 32 & ~physical.AddressMask) != 0)
            {
                return WalkResult.Reserved;
            }

            result.GuestPhysical = high << 32 | (directory & 0xFFC0_0000) | (linear & 0x3F_F000);
            result.Flags = Flags(directory, false, directory, 1);
            return access.IsAllowed(state, result.Flags)
                ? SetAccessed(addresses[1..], entries[1..], access, ref result, wide: false)
                : WalkResult.Denied;
        }

        if (!ept.Translate((directory & 0xFFFF_F000) + (linear >> 12 & 1023) * 4, AccessKind.Read, linear, true, out addresses[0], out _))
        {
            return WalkResult.Aborted;
        }

        ulong entry = physical.Read32(addresses[0]);
        entries[0] = entry;
        if ((entry & Present) == 0)
        {
            return WalkResult.NotPresent;
        }

        result.GuestPhysical = entry & 0xFFFF_F000;
        result.Flags = Flags(directory & entry, false, entry, 0);
        return access.IsAllowed(state, result.Flags) ? SetAccessed(addresses, entries, access, ref result, wide: false) : WalkResult.Denied;
    }

    private PageFlags Flags(ulong rights, bool noExecute, ulong leaf, int level)
    {
        PageFlags flags = PageFlags.None;
        flags |= (rights & User) != 0 ? PageFlags.User : 0;
        flags |= (rights & Writable) != 0 ? PageFlags.Writable : 0;
        flags |= noExecute ? PageFlags.NoExecute : 0;
        flags |= (leaf & Global) != 0 && (state->Cr4 & (ulong)Cr4Bits.Pge) != 0 ? PageFlags.Global : 0;
        flags |= (leaf & Dirty) != 0 ? PageFlags.Dirty : 0;
        flags |= level > 0 ? PageFlags.Large : 0;
        return level > 1 ? flags | PageFlags.Huge : flags;
    }

    // The first entry is the leaf.
    private WalkResult SetAccessed(
        ReadOnlySpan<ulong> addresses, ReadOnlySpan<ulong> entries, in LinearAccess access, ref Translation result, bool wide)
    {
        for (int n = addresses.Length - 1; n >= 0; n--)
        {
            ulong bits = n == 0 && access.Kind == AccessKind.Write ? Accessed | Dirty : Accessed;
            if ((entries[n] & bits) != bits && !physical.Update(addresses[n], entries[n], bits, wide))
            {
                return WalkResult.Again;
            }
        }

        if (access.Kind == AccessKind.Write)
        {
            result.Flags |= PageFlags.Dirty;
        }

        return WalkResult.Done;
    }
}

/// <summary>How a walk ended.</summary>
internal enum WalkResult
{
    Done,
    NotPresent,
    Reserved,
    Denied,

    /// <summary>An EPT violation or misconfiguration on the way.</summary>
    Aborted,

    /// <summary>An entry changed during the walk.</summary>
    Again,
}
