namespace Vmm.Vmx.Tests;

/// <summary>SDM Vol. 3C 27.3.1.1, 27.3.1.3 and 27.3.1.4: failures are exit reason 33.</summary>
public sealed class GuestRegisterCheckTests
{
    private const ulong NotCanonical = 0x8000_0000_0000_0000;

    private readonly Vmcs _vmcs = TestProcessor.LongModeVmcs();

    [Fact]
    public void Guests_in_every_mode_pass()
    {
        EntryCheckAssert.Passes(TestProcessor.LongModeVmcs());
        EntryCheckAssert.Passes(TestProcessor.RealModeVmcs());
        EntryCheckAssert.Passes(TestProcessor.PaeVmcs());
        EntryCheckAssert.Passes(TestProcessor.Virtual8086Vmcs());
    }

    [Theory]
    [InlineData("CR0 without PE", VmcsField.GuestCr0, 0x8005_0032ul)]
    [InlineData("CR0 without PG", VmcsField.GuestCr0, 0x0005_0033ul)]
    [InlineData("CR0 with bit 32", VmcsField.GuestCr0, 0x1_8005_0033ul)]
    [InlineData("CR4 without VMXE", VmcsField.GuestCr4, 0x20ul)]
    [InlineData("CR4 with a bit that is not supported", VmcsField.GuestCr4, 0x2020ul | 1ul << 22)]
    [InlineData("CR4 without PAE in IA-32e mode", VmcsField.GuestCr4, 0x2000ul)]
    [InlineData("CR3 beyond the physical-address width", VmcsField.GuestCr3, 1ul << 40)]
    [InlineData("DEBUGCTL with a reserved bit", VmcsField.GuestIa32Debugctl, 4ul)]
    [InlineData("DR7 with bit 32", VmcsField.GuestDr7, 0x1_0000_0400ul)]
    [InlineData("SYSENTER_ESP", VmcsField.GuestIa32SysenterEsp, NotCanonical)]
    [InlineData("SYSENTER_EIP", VmcsField.GuestIa32SysenterEip, NotCanonical)]
    [InlineData("PAT with type 3", VmcsField.GuestIa32Pat, 0x0300_0000_0000_0000ul)]
    [InlineData("EFER with a reserved bit", VmcsField.GuestIa32Efer, 0x1500ul)]
    [InlineData("EFER without LMA in IA-32e mode", VmcsField.GuestIa32Efer, 0x100ul)]
    [InlineData("EFER without LME while paging", VmcsField.GuestIa32Efer, 0x400ul)]
    public void Bad_control_register_debug_register_or_msr_fails(string what, VmcsField field, ulong value) => Fails(what, "27.3.1.1", field, value);

    [Theory]
    [InlineData(VmEntryControls.LoadIa32Pat, VmcsField.GuestIa32Pat)]
    [InlineData(VmEntryControls.LoadIa32Efer, VmcsField.GuestIa32Efer)]
    [InlineData(VmEntryControls.LoadDebugControls, VmcsField.GuestDr7)]
    [InlineData(VmEntryControls.LoadDebugControls, VmcsField.GuestIa32Debugctl)]
    public void Register_that_is_not_loaded_is_not_checked(VmEntryControls control, VmcsField field)
    {
        _vmcs[VmcsField.VmEntryControls] &= ~(ulong)control;
        _vmcs[field] = ulong.MaxValue;

        EntryCheckAssert.Passes(_vmcs);
    }

    [Fact]
    public void Cache_disable_and_not_write_through_are_free()
    {
        _vmcs[VmcsField.GuestCr0] |= (ulong)(Cr0Bits.Cd | Cr0Bits.Nw);

        EntryCheckAssert.Passes(_vmcs);
    }

    [Fact]
    public void Paging_without_protection_fails_even_for_an_unrestricted_guest()
    {
        Vmcs vmcs = TestProcessor.RealModeVmcs();
        vmcs[VmcsField.GuestCr0] |= (ulong)Cr0Bits.Pg;

        EntryCheckAssert.Fails(vmcs, VmEntryFailureKind.GuestState, "27.3.1.1", VmcsField.GuestCr0);
    }

    [Fact]
    public void Ia32e_mode_without_paging_fails_for_an_unrestricted_guest()
    {
        TestProcessor.MakeUnrestricted(_vmcs);
        _vmcs[VmcsField.GuestCr0] &= ~(ulong)Cr0Bits.Pg;

        Fails("CR0.PG", "27.3.1.1", VmcsField.GuestCr0, _vmcs[VmcsField.GuestCr0]);
    }

    [Fact]
    public void Pcid_needs_ia32e_mode()
    {
        _vmcs[VmcsField.GuestCr4] |= (ulong)Cr4Bits.Pcide;
        EntryCheckAssert.Passes(_vmcs);

        Vmcs pae = TestProcessor.PaeVmcs();
        pae[VmcsField.GuestCr4] |= (ulong)Cr4Bits.Pcide;
        EntryCheckAssert.Fails(pae, VmEntryFailureKind.GuestState, "27.3.1.1", VmcsField.GuestCr4);
    }

    [Fact]
    public void Long_mode_enabled_without_paging_is_a_step_on_the_way_to_long_mode()
    {
        Vmcs vmcs = TestProcessor.RealModeVmcs();
        vmcs[VmcsField.GuestCr0] |= (ulong)Cr0Bits.Pe;
        vmcs[VmcsField.GuestIa32Efer] = (ulong)EferBits.Lme;

        EntryCheckAssert.Passes(vmcs);
    }

    [Theory]
    [InlineData("GDTR base", VmcsField.GuestGdtrBase, NotCanonical)]
    [InlineData("IDTR base", VmcsField.GuestIdtrBase, NotCanonical)]
    [InlineData("GDTR limit", VmcsField.GuestGdtrLimit, 0x1_0000ul)]
    [InlineData("IDTR limit", VmcsField.GuestIdtrLimit, 0x1_0000ul)]
    public void Bad_descriptor_table_register_fails(string what, VmcsField field, ulong value) => Fails(what, "27.3.1.3", field, value);

    [Theory]
    [InlineData("bits 63:48 of RIP differ", VmcsField.GuestRip, 0x0001_0000_0000_0000ul)]
    [InlineData("RFLAGS without bit 1", VmcsField.GuestRflags, 0ul)]
    [InlineData("RFLAGS bit 3", VmcsField.GuestRflags, 0xAul)]
    [InlineData("RFLAGS bit 5", VmcsField.GuestRflags, 0x22ul)]
    [InlineData("RFLAGS bit 15", VmcsField.GuestRflags, 0x8002ul)]
    [InlineData("RFLAGS bit 22", VmcsField.GuestRflags, 0x40_0002ul)]
    [InlineData("RFLAGS bit 63", VmcsField.GuestRflags, 0x8000_0000_0000_0002ul)]
    public void Bad_rip_or_rflags_fails(string what, VmcsField field, ulong value) => Fails(what, "27.3.1.4", field, value);

    [Fact]
    public void Rip_need_not_be_canonical()
    {
        _vmcs[VmcsField.GuestRip] = 0x0000_8000_0000_0000;

        EntryCheckAssert.Passes(_vmcs);
    }

    [Fact]
    public void Rip_has_32_bits_outside_64_bit_mode()
    {
        Vmcs vmcs = TestProcessor.PaeVmcs();
        vmcs[VmcsField.GuestRip] = 0x1_0000_0000;

        EntryCheckAssert.Fails(vmcs, VmEntryFailureKind.GuestState, "27.3.1.4", VmcsField.GuestRip);
    }

    [Fact]
    public void Virtual_8086_mode_does_not_exist_in_ia32e_mode()
    {
        for (SegmentRegister segment = SegmentRegister.Es; segment <= SegmentRegister.Gs; segment++)
        {
            TestProcessor.SetSegment(_vmcs, segment, 0, 0, 0xFFFF, 0xF3);
        }

        _vmcs[VmcsField.GuestRip] = 0;
        Fails("VM in IA-32e mode", "27.3.1.4", VmcsField.GuestRflags, (ulong)(RflagsBits.Fixed1 | RflagsBits.Vm));
    }

    [Fact]
    public void External_interrupt_needs_the_interrupt_flag()
    {
        _vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.ExternalInterrupt(0x20).Value;
        Fails("IF", "27.3.1.4", VmcsField.GuestRflags, (ulong)RflagsBits.Fixed1);

        _vmcs[VmcsField.GuestRflags] |= (ulong)RflagsBits.If;
        EntryCheckAssert.Passes(_vmcs);
    }

    private void Fails(string what, string section, VmcsField field, ulong value)
    {
        Assert.NotEmpty(what);
        _vmcs[field] = value;

        VmEntryFailure failure = EntryCheckAssert.Fails(_vmcs, VmEntryFailureKind.GuestState, section, field);

        Assert.Equal(VmInstructionError.None, failure.Error);
        Assert.Equal(EntryFailureQualification.Other, failure.Qualification);
    }
}
