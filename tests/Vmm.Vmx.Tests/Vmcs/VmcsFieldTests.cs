namespace Vmm.Vmx.Tests;

public sealed class VmcsFieldTests
{
    // SDM Vol. 3D appendix B: a field of each table, by its decimal coordinates
    [Theory]
    [InlineData(VmcsField.VirtualProcessorIdentifier, VmcsFieldWidth.Bits16, VmcsFieldType.Control, 0)]
    [InlineData(VmcsField.GuestTrSelector, VmcsFieldWidth.Bits16, VmcsFieldType.GuestState, 7)]
    [InlineData(VmcsField.HostTrSelector, VmcsFieldWidth.Bits16, VmcsFieldType.HostState, 6)]
    [InlineData(VmcsField.MsrBitmapAddress, VmcsFieldWidth.Bits64, VmcsFieldType.Control, 2)]
    [InlineData(VmcsField.EptPointer, VmcsFieldWidth.Bits64, VmcsFieldType.Control, 13)]
    [InlineData(VmcsField.TscMultiplier, VmcsFieldWidth.Bits64, VmcsFieldType.Control, 25)]
    [InlineData(VmcsField.GuestPhysicalAddress, VmcsFieldWidth.Bits64, VmcsFieldType.ReadOnlyData, 0)]
    [InlineData(VmcsField.GuestIa32Efer, VmcsFieldWidth.Bits64, VmcsFieldType.GuestState, 3)]
    [InlineData(VmcsField.HostIa32Efer, VmcsFieldWidth.Bits64, VmcsFieldType.HostState, 1)]
    [InlineData(VmcsField.ExceptionBitmap, VmcsFieldWidth.Bits32, VmcsFieldType.Control, 2)]
    [InlineData(VmcsField.SecondaryProcessorBasedControls, VmcsFieldWidth.Bits32, VmcsFieldType.Control, 15)]
    [InlineData(VmcsField.ExitReason, VmcsFieldWidth.Bits32, VmcsFieldType.ReadOnlyData, 1)]
    [InlineData(VmcsField.GuestActivityState, VmcsFieldWidth.Bits32, VmcsFieldType.GuestState, 19)]
    [InlineData(VmcsField.PreemptionTimerValue, VmcsFieldWidth.Bits32, VmcsFieldType.GuestState, 23)]
    [InlineData(VmcsField.HostIa32SysenterCs, VmcsFieldWidth.Bits32, VmcsFieldType.HostState, 0)]
    [InlineData(VmcsField.Cr4ReadShadow, VmcsFieldWidth.Natural, VmcsFieldType.Control, 3)]
    [InlineData(VmcsField.ExitQualification, VmcsFieldWidth.Natural, VmcsFieldType.ReadOnlyData, 0)]
    [InlineData(VmcsField.GuestRip, VmcsFieldWidth.Natural, VmcsFieldType.GuestState, 15)]
    [InlineData(VmcsField.HostRip, VmcsFieldWidth.Natural, VmcsFieldType.HostState, 11)]
    public void Encoding_says_width_type_and_index(VmcsField field, VmcsFieldWidth width, VmcsFieldType type, uint index)
    {
        Assert.Equal((width, type, index), (field.Width, field.Type, field.Index));
    }

    [Fact]
    public void Every_field_has_an_even_encoding_without_reserved_bits()
    {
        Assert.All(VmcsFields.All.ToArray(), field => Assert.Equal(0u, (uint)field & 0x9001));
    }

    [Fact]
    public void Only_exit_information_is_read_only()
    {
        Assert.True(VmcsField.ExitQualification.IsReadOnly);
        Assert.True(VmcsField.VmInstructionError.IsReadOnly);
        Assert.False(VmcsField.GuestRip.IsReadOnly);
        Assert.False(VmcsField.VmEntryControls.IsReadOnly);
    }

    [Theory]
    [InlineData(0x2000u, true)]
    [InlineData(0x2001u, true)] // high half of I/O-bitmap A
    [InlineData(0x0001u, false)] // a 16-bit field has no high half
    [InlineData(0x6C17u, false)]
    [InlineData(0x0006u, false)]
    [InlineData(0x482Cu, false)] // index 22 of 32-bit guest state is not used
    [InlineData(0xFFFFu, false)]
    [InlineData(0x1_2000u, false)]
    public void Encodings_that_name_no_field_are_not_defined(uint encoding, bool defined)
    {
        Assert.Equal(defined, VmcsFields.IsDefined(encoding));
    }

    [Fact]
    public void Segment_fields_are_arrays_in_segment_order()
    {
        Assert.Equal(VmcsField.GuestGsSelector, GuestSegmentFields.Selector(SegmentRegister.Gs));
        Assert.Equal(VmcsField.GuestTrBase, GuestSegmentFields.Base(SegmentRegister.Tr));
        Assert.Equal(VmcsField.GuestCsLimit, GuestSegmentFields.Limit(SegmentRegister.Cs));
        Assert.Equal(VmcsField.GuestLdtrAccessRights, GuestSegmentFields.AccessRights(SegmentRegister.Ldtr));
    }
}
