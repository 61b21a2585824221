using System.Runtime.CompilerServices;

namespace Vmm.Vmx;

/// <summary>The four guest-state fields of a segment register: each kind is an array of eight in the encoding space.</summary>
public static class GuestSegmentFields
{
    /// <summary>The selector field.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VmcsField Selector(SegmentRegister segment) => (VmcsField)((int)VmcsField.GuestEsSelector + 2 * (int)segment);

    /// <summary>The base-address field.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VmcsField Base(SegmentRegister segment) => (VmcsField)((int)VmcsField.GuestEsBase + 2 * (int)segment);

    /// <summary>The limit field.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VmcsField Limit(SegmentRegister segment) => (VmcsField)((int)VmcsField.GuestEsLimit + 2 * (int)segment);

    /// <summary>The access-rights field.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static VmcsField AccessRights(SegmentRegister segment) => (VmcsField)((int)VmcsField.GuestEsAccessRights + 2 * (int)segment);
}
