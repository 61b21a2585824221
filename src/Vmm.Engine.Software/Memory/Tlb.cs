using System.Runtime.InteropServices;

namespace Vmm.Engine.Software.Memory;

/// <summary>
/// One entry of a software TLB. An access of n bytes at linear address a hits when <c>a ^ Tag &lt;= 0x1000 - n</c> for the
/// entry of a's page: the difference is then the offset in <see cref="Page"/>, and a page-crossing access misses by itself.
/// </summary>
/// <remarks>An entry that holds nothing has a tag that belongs to its neighbour: no address that is looked up here comes near it.</remarks>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TlbEntry
{
    /// <summary>Linear page address.</summary>
    public ulong Tag;

    /// <summary>Host address of the page.</summary>
    public byte* Page;

    /// <summary>Tag of an entry that was never in use since its table was emptied.</summary>
    public static ulong Unused(int index) => ((ulong)(index ^ 1) << Tlb.PageShift) | 1;

    /// <summary>Tag of an entry that was in use.</summary>
    public static ulong Emptied(int index) => ((ulong)(index ^ 1) << Tlb.PageShift) | 2;

    /// <summary>Whether the entry maps a page.</summary>
    public readonly bool IsValid => (Tag & 0xFFF) == 0;
}

/// <summary>
/// Geometry of the software TLBs: direct-mapped, one table for each process context and each of {user, supervisor, supervisor under SMAP} × {read, write}. A write entry
/// exists only for pages whose writes need no attention: dirty bit set, no code, no ROM, dirty tracking satisfied.
/// </summary>
internal static class Tlb
{
    public const int EntryBits = 14;
    public const int EntryCount = 1 << EntryBits;
    public const int PageShift = 12;
    public const ulong PageMask = ~0xFFFUL;
}
