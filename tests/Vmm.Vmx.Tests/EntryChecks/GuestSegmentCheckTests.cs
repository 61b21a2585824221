namespace Vmm.Vmx.Tests;

/// <summary>SDM Vol. 3C 27.3.1.2.</summary>
public sealed class GuestSegmentCheckTests
{
    private const ulong NotCanonical = 0x8000_0000_0000_0000;

    [Theory]
    [InlineData("TI of TR", VmcsField.GuestTrSelector, 0x44ul)]
    [InlineData("RPL of SS differs from that of CS", VmcsField.GuestSsSelector, 0x1Bul)]
    [InlineData("FS base", VmcsField.GuestFsBase, NotCanonical)]
    [InlineData("GS base", VmcsField.GuestGsBase, NotCanonical)]
    [InlineData("TR base", VmcsField.GuestTrBase, NotCanonical)]
    [InlineData("CS base above 4 GiB", VmcsField.GuestCsBase, 1ul << 32)]
    [InlineData("SS base above 4 GiB", VmcsField.GuestSsBase, 1ul << 32)]
    [InlineData("DS base above 4 GiB", VmcsField.GuestDsBase, 1ul << 32)]
    [InlineData("ES base above 4 GiB", VmcsField.GuestEsBase, 1ul << 32)]
    [InlineData("CS of data type without unrestricted guest", VmcsField.GuestCsAccessRights, 0xA093ul)]
    [InlineData("CS not accessed", VmcsField.GuestCsAccessRights, 0xA09Aul)]
    [InlineData("CS of a system type", VmcsField.GuestCsAccessRights, 0xA08Bul)]
    [InlineData("CS not present", VmcsField.GuestCsAccessRights, 0xA01Bul)]
    [InlineData("CS with L and D", VmcsField.GuestCsAccessRights, 0xE09Bul)]
    [InlineData("non-conforming CS with a DPL that is not that of SS", VmcsField.GuestCsAccessRights, 0xA0FBul)]
    [InlineData("conforming CS with a DPL above that of SS", VmcsField.GuestCsAccessRights, 0xA0FFul)]
    [InlineData("CS with reserved bit 8", VmcsField.GuestCsAccessRights, 0xA19Bul)]
    [InlineData("CS with reserved bit 17", VmcsField.GuestCsAccessRights, 0x2_A09Bul)]
    [InlineData("SS of read-only data", VmcsField.GuestSsAccessRights, 0xC091ul)]
    [InlineData("SS of code", VmcsField.GuestSsAccessRights, 0xC09Bul)]
    [InlineData("SS not present", VmcsField.GuestSsAccessRights, 0xC013ul)]
    [InlineData("DS not accessed", VmcsField.GuestDsAccessRights, 0xC092ul)]
    [InlineData("ES of execute-only code", VmcsField.GuestEsAccessRights, 0xC099ul)]
    [InlineData("FS of a system type", VmcsField.GuestFsAccessRights, 0xC083ul)]
    [InlineData("GS not present", VmcsField.GuestGsAccessRights, 0xC013ul)]
    [InlineData("DS with reserved bit 11", VmcsField.GuestDsAccessRights, 0xC893ul)]
    [InlineData("DS with a large limit and no G", VmcsField.GuestDsAccessRights, 0x4093ul)]
    [InlineData("TR available", VmcsField.GuestTrAccessRights, 0x89ul)]
    [InlineData("16-bit TR in IA-32e mode", VmcsField.GuestTrAccessRights, 0x83ul)]
    [InlineData("TR with S", VmcsField.GuestTrAccessRights, 0x9Bul)]
    [InlineData("TR not present", VmcsField.GuestTrAccessRights, 0x0Bul)]
    [InlineData("TR unusable", VmcsField.GuestTrAccessRights, 0x1_008Bul)]
    [InlineData("TR with G and a byte limit", VmcsField.GuestTrAccessRights, 0x808Bul)]
    public void Bad_segment_of_a_64_bit_guest_fails(string what, VmcsField field, ulong value)
    {
        Assert.NotEmpty(what);
        Vmcs vmcs = TestProcessor.LongModeVmcs();
        vmcs[field] = value;

        Fails(vmcs, field);
    }

    [Theory]
    [InlineData("TI of the selector", VmcsField.GuestLdtrSelector, 0x4Cul)]
    [InlineData("base", VmcsField.GuestLdtrBase, NotCanonical)]
    [InlineData("type", VmcsField.GuestLdtrAccessRights, 0x8Bul)]
    [InlineData("S", VmcsField.GuestLdtrAccessRights, 0x92ul)]
    [InlineData("P", VmcsField.GuestLdtrAccessRights, 0x02ul)]
    [InlineData("reserved bit 9", VmcsField.GuestLdtrAccessRights, 0x282ul)]
    public void Bad_usable_ldtr_fails(string what, VmcsField field, ulong value)
    {
        Assert.NotEmpty(what);
        Vmcs vmcs = TestProcessor.LongModeVmcs();
        TestProcessor.SetSegment(vmcs, SegmentRegister.Ldtr, 0x48, 0, 0xFFF, 0x82);
        EntryCheckAssert.Passes(vmcs);

        vmcs[field] = value;
        Fails(vmcs, field);
    }

    [Theory]
    [InlineData(SegmentRegister.Es)]
    [InlineData(SegmentRegister.Ss)]
    [InlineData(SegmentRegister.Ds)]
    [InlineData(SegmentRegister.Fs)]
    [InlineData(SegmentRegister.Gs)]
    [InlineData(SegmentRegister.Ldtr)]
    public void Unusable_register_may_hold_anything_else(SegmentRegister segment)
    {
        Vmcs vmcs = TestProcessor.LongModeVmcs();
        TestProcessor.SetSegment(vmcs, segment, 0, 0, 0x1234_5678, SegmentAccessRights.UnusableBit | 0xF0F);

        EntryCheckAssert.Passes(vmcs);
    }

    [Fact]
    public void Dpl_of_ss_must_equal_its_rpl_even_when_it_is_unusable()
    {
        Vmcs vmcs = TestProcessor.LongModeVmcs();
        vmcs[VmcsField.GuestSsAccessRights] = SegmentAccessRights.UnusableBit | 3 << 5;
        vmcs[VmcsField.GuestCsAccessRights] = 0xA0FB;

        Fails(vmcs, VmcsField.GuestSsAccessRights);
    }

    [Fact]
    public void Dpl_of_data_cannot_be_less_than_rpl()
    {
        Vmcs vmcs = TestProcessor.LongModeVmcs();
        vmcs[VmcsField.GuestDsSelector] = 0x1B;
        Fails(vmcs, VmcsField.GuestDsAccessRights);

        vmcs[VmcsField.GuestDsAccessRights] = 0xC09F; // conforming code: its DPL does not matter
        EntryCheckAssert.Passes(vmcs);
    }

    [Fact]
    public void User_mode_guest_passes()
    {
        Vmcs vmcs = TestProcessor.LongModeVmcs();
        TestProcessor.SetSegment(vmcs, SegmentRegister.Cs, 0x33, 0, uint.MaxValue, 0xA0FB);
        TestProcessor.SetSegment(vmcs, SegmentRegister.Ss, 0x2B, 0, uint.MaxValue, 0xC0F3);

        EntryCheckAssert.Passes(vmcs);
    }

    [Fact]
    public void Tss_of_16_bits_is_legal_outside_ia32e_mode()
    {
        Vmcs vmcs = TestProcessor.PaeVmcs();
        vmcs[VmcsField.GuestTrAccessRights] = 0x83;

        EntryCheckAssert.Passes(vmcs);
    }

    [Theory]
    [InlineData(0xFFFFFul, 0xC093ul, true)]
    [InlineData(0xFFFFFul, 0x4093ul, true)]
    [InlineData(0x1F_FFFFul, 0x4093ul, false)]
    [InlineData(0x1F_F0FFul, 0xC093ul, false)]
    public void Granularity_agrees_with_the_limit(ulong limit, ulong rights, bool passes)
    {
        Vmcs vmcs = TestProcessor.LongModeVmcs();
        vmcs[VmcsField.GuestFsLimit] = limit;
        vmcs[VmcsField.GuestFsAccessRights] = rights;

        if (passes)
        {
            EntryCheckAssert.Passes(vmcs);
        }
        else
        {
            Fails(vmcs, VmcsField.GuestFsAccessRights);
        }
    }

    [Theory]
    [InlineData(SegmentRegister.Es)]
    [InlineData(SegmentRegister.Cs)]
    [InlineData(SegmentRegister.Ss)]
    [InlineData(SegmentRegister.Ds)]
    [InlineData(SegmentRegister.Fs)]
    [InlineData(SegmentRegister.Gs)]
    public void Virtual_8086_segment_is_its_selector_times_16_with_64_kib_and_rights_f3(SegmentRegister segment)
    {
        Vmcs vmcs = TestProcessor.Virtual8086Vmcs();
        vmcs[GuestSegmentFields.Base(segment)]++;
        Fails(vmcs, GuestSegmentFields.Base(segment));

        vmcs = TestProcessor.Virtual8086Vmcs();
        vmcs[GuestSegmentFields.Limit(segment)] = 0xFFFFF;
        Fails(vmcs, GuestSegmentFields.Limit(segment));

        vmcs = TestProcessor.Virtual8086Vmcs();
        vmcs[GuestSegmentFields.AccessRights(segment)] = 0x93;
        Fails(vmcs, GuestSegmentFields.AccessRights(segment));
    }

    [Fact]
    public void Unrestricted_guest_may_have_writable_data_in_cs_with_dpl_0()
    {
        Vmcs vmcs = TestProcessor.RealModeVmcs();
        vmcs[VmcsField.GuestCsAccessRights] = 0x93;
        EntryCheckAssert.Passes(vmcs);

        vmcs[VmcsField.GuestCsAccessRights] = 0xF3;
        Fails(vmcs, VmcsField.GuestCsAccessRights);
    }

    [Fact]
    public void Unrestricted_guest_may_have_a_dpl_below_rpl()
    {
        Vmcs vmcs = TestProcessor.RealModeVmcs();
        vmcs[VmcsField.GuestDsSelector] = 0x0003;
        vmcs[VmcsField.GuestSsSelector] = 0x0002;

        EntryCheckAssert.Passes(vmcs);
    }

    [Fact]
    public void Dpl_of_ss_is_0_in_real_mode()
    {
        Vmcs vmcs = TestProcessor.RealModeVmcs();
        vmcs[VmcsField.GuestSsAccessRights] = 0xF3;
        vmcs[VmcsField.GuestCsAccessRights] = 0xFB;

        Fails(vmcs, VmcsField.GuestSsAccessRights);
    }

    private static void Fails(Vmcs vmcs, VmcsField field)
        => EntryCheckAssert.Fails(vmcs, VmEntryFailureKind.GuestState, "27.3.1.2", field);
}
