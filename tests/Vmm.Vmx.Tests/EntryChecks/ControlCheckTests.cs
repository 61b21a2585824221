namespace Vmm.Vmx.Tests;

/// <summary>SDM Vol. 3C 27.2.1: failures are error 7.</summary>
public sealed class ControlCheckTests
{
    private const string Execution = "27.2.1.1";
    private const string Exit = "27.2.1.2";
    private const string Entry = "27.2.1.3";

    private readonly Vmcs _vmcs = TestProcessor.LongModeVmcs();

    [Fact]
    public void Failure_names_error_section_field_and_value()
    {
        _vmcs[VmcsField.PinBasedControls] = 0;

        VmEntryFailure failure = Fails(Execution, VmcsField.PinBasedControls);

        Assert.Equal(VmInstructionError.EntryInvalidControlFields, failure.Error);
        Assert.Equal(
            "VM entry failed (error 7, invalid control fields): PinBasedControls is 0x0. Pin-based controls must be as IA32_VMX_(TRUE_)PINBASED_CTLS allows. (SDM Vol. 3C 27.2.1.1)",
            failure.ToString());
    }

    [Theory]
    [InlineData(VmcsField.PinBasedControls, (uint)PinBasedControls.ProcessPostedInterrupts, Execution)]
    [InlineData(VmcsField.PrimaryProcessorBasedControls, (uint)PrimaryProcessorBasedControls.UseTprShadow, Execution)]
    [InlineData(VmcsField.VmExitControls, (uint)VmExitControls.LoadCetState, Exit)]
    [InlineData(VmcsField.VmEntryControls, (uint)VmEntryControls.EntryToSmm, Entry)]
    public void Control_that_is_not_announced_fails(VmcsField field, uint control, string section)
    {
        _vmcs[field] |= control;

        Fails(section, field);
    }

    [Theory]
    [InlineData(VmcsField.PinBasedControls, 1u << 1, Execution)]
    [InlineData(VmcsField.PrimaryProcessorBasedControls, 1u << 26, Execution)]
    [InlineData(VmcsField.VmExitControls, 1u << 0, Exit)]
    [InlineData(VmcsField.VmEntryControls, 1u << 12, Entry)]
    public void Control_that_must_be_one_fails_when_it_is_zero(VmcsField field, uint control, string section)
    {
        _vmcs[field] &= ~(ulong)control;

        Fails(section, field);
    }

    [Fact]
    public void Secondary_control_that_is_not_announced_fails_when_secondary_controls_are_active()
    {
        _vmcs[VmcsField.PrimaryProcessorBasedControls] |= (ulong)PrimaryProcessorBasedControls.ActivateSecondaryControls;
        _vmcs[VmcsField.SecondaryProcessorBasedControls] = (ulong)SecondaryProcessorBasedControls.EnablePml;

        Fails(Execution, VmcsField.SecondaryProcessorBasedControls);
    }

    [Fact]
    public void Secondary_controls_do_not_count_when_they_are_not_active()
    {
        _vmcs[VmcsField.SecondaryProcessorBasedControls] = uint.MaxValue;

        EntryCheckAssert.Passes(_vmcs);
    }

    [Theory]
    [InlineData(4, true)]
    [InlineData(5, false)]
    public void Cr3_target_count_is_at_most_that_of_vmx_misc(ulong count, bool passes)
    {
        _vmcs[VmcsField.Cr3TargetCount] = count;

        if (passes)
        {
            EntryCheckAssert.Passes(_vmcs);
        }
        else
        {
            Fails(Execution, VmcsField.Cr3TargetCount);
        }
    }

    [Theory]
    [InlineData(PrimaryProcessorBasedControls.UseIoBitmaps, VmcsField.IoBitmapAAddress, 0x1001ul)]
    [InlineData(PrimaryProcessorBasedControls.UseIoBitmaps, VmcsField.IoBitmapAAddress, 1ul << 40)]
    [InlineData(PrimaryProcessorBasedControls.UseIoBitmaps, VmcsField.IoBitmapBAddress, 0x1800ul)]
    [InlineData(PrimaryProcessorBasedControls.UseIoBitmaps, VmcsField.IoBitmapBAddress, 1ul << 40)]
    [InlineData(PrimaryProcessorBasedControls.UseMsrBitmaps, VmcsField.MsrBitmapAddress, 0x1010ul)]
    [InlineData(PrimaryProcessorBasedControls.UseMsrBitmaps, VmcsField.MsrBitmapAddress, 1ul << 63)]
    public void Bitmap_in_use_must_be_aligned_and_within_the_physical_address_width(PrimaryProcessorBasedControls control, VmcsField field, ulong address)
    {
        _vmcs[field] = address;
        EntryCheckAssert.Passes(_vmcs);

        _vmcs[VmcsField.PrimaryProcessorBasedControls] |= (ulong)control;
        Fails(Execution, field);
    }

    [Fact]
    public void Virtual_nmis_need_nmi_exiting()
    {
        _vmcs[VmcsField.PinBasedControls] |= (ulong)PinBasedControls.VirtualNmis;
        Fails(Execution, VmcsField.PinBasedControls);

        _vmcs[VmcsField.PinBasedControls] |= (ulong)PinBasedControls.NmiExiting;
        EntryCheckAssert.Passes(_vmcs);
    }

    [Fact]
    public void Nmi_window_exiting_needs_virtual_nmis()
    {
        _vmcs[VmcsField.PrimaryProcessorBasedControls] |= (ulong)PrimaryProcessorBasedControls.NmiWindowExiting;
        Fails(Execution, VmcsField.PrimaryProcessorBasedControls);

        _vmcs[VmcsField.PinBasedControls] |= (ulong)(PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis);
        EntryCheckAssert.Passes(_vmcs);
    }

    [Fact]
    public void Vpid_0_is_the_hosts()
    {
        EnableSecondary(SecondaryProcessorBasedControls.EnableVpid);
        Fails(Execution, VmcsField.VirtualProcessorIdentifier);

        _vmcs[VmcsField.VirtualProcessorIdentifier] = 1;
        EntryCheckAssert.Passes(_vmcs);
    }

    [Theory]
    [InlineData("valid", 0x101Eul, true)]
    [InlineData("memory type UC, not offered", 0x1018ul, false)]
    [InlineData("memory type 1", 0x1019ul, false)]
    [InlineData("walk length 5, not offered", 0x1026ul, false)]
    [InlineData("accessed and dirty flags, not offered", 0x105Eul, false)]
    [InlineData("reserved bit 7", 0x109Eul, false)]
    [InlineData("reserved bit 11", 0x181Eul, false)]
    [InlineData("beyond the physical-address width", 0x100_0000_101Eul, false)]
    public void Ept_pointer_must_be_what_ept_vpid_cap_offers(string what, ulong pointer, bool passes)
    {
        Assert.NotEmpty(what);
        EnableSecondary(SecondaryProcessorBasedControls.EnableEpt);
        _vmcs[VmcsField.EptPointer] = pointer;

        if (passes)
        {
            EntryCheckAssert.Passes(_vmcs);
        }
        else
        {
            Fails(Execution, VmcsField.EptPointer);
        }
    }

    [Fact]
    public void Unrestricted_guest_needs_ept()
    {
        EnableSecondary(SecondaryProcessorBasedControls.UnrestrictedGuest);

        Fails(Execution, VmcsField.SecondaryProcessorBasedControls);
    }

    [Fact]
    public void Saving_the_preemption_timer_needs_the_timer()
    {
        _vmcs[VmcsField.VmExitControls] |= (ulong)VmExitControls.SavePreemptionTimerValue;
        Fails(Exit, VmcsField.VmExitControls);

        _vmcs[VmcsField.PinBasedControls] |= (ulong)PinBasedControls.ActivatePreemptionTimer;
        EntryCheckAssert.Passes(_vmcs);
    }

    [Theory]
    [InlineData(VmcsField.ExitMsrStoreCount, VmcsField.ExitMsrStoreAddress, Exit)]
    [InlineData(VmcsField.ExitMsrLoadCount, VmcsField.ExitMsrLoadAddress, Exit)]
    [InlineData(VmcsField.EntryMsrLoadCount, VmcsField.EntryMsrLoadAddress, Entry)]
    public void Msr_area_must_be_aligned_and_end_within_the_physical_address_width(VmcsField count, VmcsField address, string section)
    {
        _vmcs[address] = 0x1008;
        EntryCheckAssert.Passes(_vmcs);

        _vmcs[count] = 2;
        Fails(section, address);

        _vmcs[address] = (1ul << 40) - 16;
        Fails(section, address);

        _vmcs[address] = (1ul << 40) - 32;
        EntryCheckAssert.Passes(_vmcs);
    }

    [Theory]
    [InlineData("reserved type", 0x8000_0120u)]
    [InlineData("NMI with vector 3", 0x8000_0203u)]
    [InlineData("hardware exception with vector 32", 0x8000_0320u)]
    [InlineData("other event with vector 1", 0x8000_0701u)]
    [InlineData("external interrupt with error code", 0x8000_0830u)]
    [InlineData("#GP without error code", 0x8000_030Du)]
    [InlineData("#UD with error code", 0x8000_0B06u)]
    [InlineData("#CP with error code on a processor without CET", 0x8000_0B15u)]
    [InlineData("software interrupt with error code", 0x8000_0C80u)]
    [InlineData("reserved bit 12", 0x8000_1306u)]
    [InlineData("reserved bit 30", 0xC000_0306u)]
    public void Inconsistent_injection_fails(string what, uint information)
    {
        Assert.NotEmpty(what);
        _vmcs[VmcsField.EntryInstructionLength] = 2;
        _vmcs[VmcsField.EntryInterruptionInformation] = information;

        Fails(Entry, VmcsField.EntryInterruptionInformation);
    }

    [Theory]
    [InlineData(0x8000_0202u)]
    [InlineData(0x8000_0B0Du)]
    [InlineData(0x8000_0B11u)]
    [InlineData(0x8000_0306u)]
    [InlineData(0x8000_0480u)]
    [InlineData(0x8000_0603u)]
    [InlineData(0x8000_0501u)]
    [InlineData(0x8000_0700u)]
    [InlineData(0x7FFF_FFFFu)] // not valid: nothing is checked
    public void Consistent_injection_passes(uint information)
    {
        _vmcs[VmcsField.EntryInstructionLength] = 2;
        _vmcs[VmcsField.EntryInterruptionInformation] = information;

        EntryCheckAssert.Passes(_vmcs);
    }

    [Fact]
    public void Exception_in_real_mode_has_no_error_code()
    {
        Vmcs vmcs = TestProcessor.RealModeVmcs();
        vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection).Value;
        EntryCheckAssert.Fails(vmcs, VmEntryFailureKind.Controls, Entry, VmcsField.EntryInterruptionInformation);

        vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Create(InterruptionType.HardwareException, 13).Value;
        EntryCheckAssert.Passes(vmcs);
    }

    [Fact]
    public void Other_event_needs_a_processor_with_the_monitor_trap_flag()
    {
        _vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Create(InterruptionType.OtherEvent, 0).Value;
        VmxCapabilityMsrs full = TestProcessor.CapabilityMsrs();
        VmxCapabilityMsrs without = new()
        {
            Revision = full.Revision,
            PinBased = full.PinBased,
            Primary = full.Primary & ~PrimaryProcessorBasedControls.MonitorTrapFlag,
            Secondary = full.Secondary,
            Exit = full.Exit,
            Entry = full.Entry,
            Cr4 = full.Cr4,
            EptVpid = full.EptVpid,
        };

        EntryCheckAssert.Fails(
            _vmcs, VmEntryFailureKind.Controls, Entry, VmcsField.EntryInterruptionInformation, new(TestProcessor.Capabilities(without), static _ => 0));
    }

    [Fact]
    public void Error_code_has_16_bits()
    {
        _vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.HardwareException(ExceptionVector.PageFault).Value;
        _vmcs[VmcsField.EntryExceptionErrorCode] = 0x1_0000;
        Fails(Entry, VmcsField.EntryExceptionErrorCode);

        _vmcs[VmcsField.EntryExceptionErrorCode] = 0x8001;
        EntryCheckAssert.Passes(_vmcs);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(15, true)]
    [InlineData(16, false)]
    public void Software_interrupt_has_an_instruction_length_of_1_to_15(ulong length, bool passes)
    {
        _vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Create(InterruptionType.SoftwareInterrupt, 0x80).Value;
        _vmcs[VmcsField.EntryInstructionLength] = length;

        if (passes)
        {
            EntryCheckAssert.Passes(_vmcs);
        }
        else
        {
            Fails(Entry, VmcsField.EntryInstructionLength);
        }
    }

    private void EnableSecondary(SecondaryProcessorBasedControls controls)
    {
        _vmcs[VmcsField.PrimaryProcessorBasedControls] |= (ulong)PrimaryProcessorBasedControls.ActivateSecondaryControls;
        _vmcs[VmcsField.SecondaryProcessorBasedControls] |= (ulong)controls;
    }

    private VmEntryFailure Fails(string section, VmcsField field) => EntryCheckAssert.Fails(_vmcs, VmEntryFailureKind.Controls, section, field);
}
