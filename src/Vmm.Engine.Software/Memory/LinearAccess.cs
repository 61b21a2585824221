using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>What an access by linear address wants, and who makes it.</summary>
/// <param name="Kind">Read, write or fetch.</param>
/// <param name="IsUser">A user-mode access.</param>
/// <param name="IsImplicit">A supervisor-mode access of the processor itself: descriptor tables, TSS.</param>
internal readonly record struct LinearAccess(AccessKind Kind, bool IsUser, bool IsImplicit)
{
    /// <summary>An access by the current instruction.</summary>
    public static unsafe LinearAccess Explicit(CpuState* s, AccessKind kind) => new(kind, s->Cpl == 3, false);

    /// <summary>Determination of access rights: SDM Vol. 3A 4.6.1.</summary>
    public unsafe bool IsAllowed(CpuState* s, PageFlags page)
    {
        bool userPage = (page & PageFlags.User) != 0;
        if (IsUser)
        {
            return userPage && Kind switch
            {
                AccessKind.Write => (page & PageFlags.Writable) != 0,
                AccessKind.Fetch => (page & PageFlags.NoExecute) == 0,
                _ => true,
            };
        }

        if (Kind == AccessKind.Fetch)
        {
            return (page & PageFlags.NoExecute) == 0 && !(userPage && (s->Cr4 & (ulong)Cr4Bits.Smep) != 0);
        }

        if (userPage && (s->Cr4 & (ulong)Cr4Bits.Smap) != 0 && (IsImplicit || (s->SystemFlags & (ulong)RflagsBits.Ac) == 0)
            && (s->Cr0 & (ulong)Cr0Bits.Pg) != 0)
        {
            return false;
        }

        return Kind == AccessKind.Read || (page & PageFlags.Writable) != 0 || (s->Cr0 & (ulong)Cr0Bits.Wp) == 0;
    }

    /// <summary>Page-fault error code: SDM Vol. 3A 4.7.</summary>
    public unsafe uint ErrorCode(CpuState* s, WalkResult result)
    {
        uint code = result switch { WalkResult.NotPresent => 0u, WalkResult.Reserved => 9u, _ => 1u };
        code |= Kind == AccessKind.Write ? 2u : 0;
        code |= IsUser ? 4u : 0;
        bool reportsFetch = (s->Cr4 & (ulong)Cr4Bits.Smep) != 0
            || ((s->Cr4 & (ulong)Cr4Bits.Pae) != 0 && (s->Efer & (ulong)EferBits.Nxe) != 0);
        return Kind == AccessKind.Fetch && reportsFetch ? code | 16 : code;
    }
}
