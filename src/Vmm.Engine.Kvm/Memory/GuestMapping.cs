namespace Vmm.Engine.Kvm.Memory;

/// <summary>A range of guest-physical addresses and the host memory behind it: what a memory slot of KVM says.</summary>
/// <param name="GuestPhysicalAddress">First address.</param>
/// <param name="Length">Length in bytes.</param>
/// <param name="HostAddress">Host virtual address of the first byte.</param>
/// <param name="ReadOnly">Whether writes are exits.</param>
/// <param name="DirtyBitmap">Bitmap of the region behind it, or 0.</param>
/// <param name="FirstDirtyPage">Number of the first page in that bitmap.</param>
internal readonly record struct GuestMapping(
    ulong GuestPhysicalAddress, ulong Length, nint HostAddress, bool ReadOnly, nint DirtyBitmap, ulong FirstDirtyPage)
{
    private const ulong PageSize = 4096;

    /// <summary>Whether another mapping goes on where this one ends, in both address spaces.</summary>
    public bool ContinuesWith(in GuestMapping next) =>
        GuestPhysicalAddress + Length == next.GuestPhysicalAddress
        && HostAddress + (nint)Length == next.HostAddress
        && ReadOnly == next.ReadOnly
        && DirtyBitmap == next.DirtyBitmap
        && (DirtyBitmap == 0 || FirstDirtyPage + (Length / PageSize) == next.FirstDirtyPage);
}
