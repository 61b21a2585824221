using System.Runtime.CompilerServices;

namespace Vmm.Vmx;

/// <summary>
/// Where a field lives in <see cref="Vmcs"/>: width, type and the low five bits of the index make a dense slot number,
/// because no field that exists has an index above 31. For a constant field the slot is a constant too.
/// </summary>
internal static class VmcsLayout
{
    /// <summary>Four widths by four types by 32 indexes.</summary>
    public const int SlotCount = 4 * 4 * 32;

    // Bits 15, 12 (reserved) and 9:6 (index above 31): such an encoding names no field
    private const uint OutsideLayout = 0x93C0;

    private static readonly ulong[] Masks = BuildMasks();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Slot(VmcsField field)
        => (int)(((uint)field >> 13 & 3) << 7 | ((uint)field >> 10 & 3) << 5 | ((uint)field >> 1 & 31));

    /// <summary>The bits that a field can hold; 0 for an encoding that names no field.</summary>
    public static ulong Mask(VmcsField field)
    {
        if (((uint)field & OutsideLayout) != 0 || (field.IsHigh && field.Width != VmcsFieldWidth.Bits64))
        {
            return 0;
        }

        return Masks[Slot(field)];
    }

    private static ulong[] BuildMasks()
    {
        ulong[] masks = new ulong[SlotCount];
        foreach (VmcsField field in VmcsFields.All)
        {
            masks[Slot(field)] = field.Width switch
            {
                VmcsFieldWidth.Bits16 => ushort.MaxValue,
                VmcsFieldWidth.Bits32 => uint.MaxValue,
                _ => ulong.MaxValue,
            };
        }

        return masks;
    }
}
