using System.Runtime.InteropServices;

namespace Vmm.Engine.Software.Memory;

/// <summary>
/// One entry of a software TLB. An access of n bytes at linear address a hits when
/// <c>((a + n - 1) &amp; ~0xFFF) == Tag</c> for the entry of a's page: a page-crossing access misses by itself.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TlbEntry
{
    /// <summary>Linear page address; <see cref="Invalid"/> matches no address.</summary>
    public ulong Tag;

    /// <summary>Host address minus linear address.</summary>
    public long Addend;

    /// <summary>A tag that no page address equals (low bits set).</summary>
    public const ulong Invalid = ulong.MaxValue;

    /// <summary>Another such tag, of an entry that was in use.</summary>
    public const ulong Emptied = 1;
}

/// <summary>
/// Geometry of the software TLBs: direct-mapped, one table for each of {user, supervisor, supervisor under SMAP} × {read, write}. A write entry
/// exists only for pages whose writes need no attention: dirty bit set, no code, no ROM, dirty tracking satisfied.
/// </summary>
internal static class Tlb
{
    public const int EntryBits = 10;
    public const int EntryCount = 1 << EntryBits;
    public const int PageShift = 12;
    public const ulong PageMask = ~0xFFFUL;
}
