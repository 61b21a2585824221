namespace Vmm.Vmx.Tests;

/// <summary>SDM Vol. 3C 27.3.1.5.</summary>
public sealed class GuestNonRegisterCheckTests
{
    private const ulong Sti = (ulong)InterruptibilityState.BlockingBySti;
    private const ulong MovSs = (ulong)InterruptibilityState.BlockingByMovSs;

    private readonly Vmcs _vmcs = TestProcessor.LongModeVmcs();

    public GuestNonRegisterCheckTests() => _vmcs[VmcsField.GuestRflags] |= (ulong)RflagsBits.If;

    [Theory]
    [InlineData(ActivityState.Active)]
    [InlineData(ActivityState.Hlt)]
    [InlineData(ActivityState.Shutdown)]
    [InlineData(ActivityState.WaitForSipi)]
    public void Announced_activity_state_passes(ActivityState state)
    {
        _vmcs[VmcsField.GuestActivityState] = (ulong)state;

        EntryCheckAssert.Passes(_vmcs);
    }

    [Fact]
    public void Activity_state_4_does_not_exist()
    {
        _vmcs[VmcsField.GuestActivityState] = 4;

        Fails(VmcsField.GuestActivityState);
    }

    [Fact]
    public void Activity_state_that_is_not_announced_fails()
    {
        VmxCapabilityMsrs full = TestProcessor.CapabilityMsrs();
        VmxCapabilityMsrs withoutHlt = new()
        {
            Revision = full.Revision,
            PinBased = full.PinBased,
            Primary = full.Primary,
            Secondary = full.Secondary,
            Exit = full.Exit,
            Entry = full.Entry,
            Cr4 = full.Cr4,
            ActivityHlt = false,
        };
        _vmcs[VmcsField.GuestActivityState] = (ulong)ActivityState.Hlt;

        EntryCheckAssert.Fails(
            _vmcs, VmEntryFailureKind.GuestState, "27.3.1.5", VmcsField.GuestActivityState, new(TestProcessor.Capabilities(withoutHlt), static _ => 0));
    }

    [Fact]
    public void Hlt_outside_cpl_0_fails()
    {
        TestProcessor.SetSegment(_vmcs, SegmentRegister.Cs, 0x33, 0, uint.MaxValue, 0xA0FB);
        TestProcessor.SetSegment(_vmcs, SegmentRegister.Ss, 0x2B, 0, uint.MaxValue, 0xC0F3);
        _vmcs[VmcsField.GuestActivityState] = (ulong)ActivityState.Hlt;

        Fails(VmcsField.GuestActivityState);
    }

    [Theory]
    [InlineData(Sti)]
    [InlineData(MovSs)]
    public void Interrupt_shadow_needs_the_active_state(ulong shadow)
    {
        _vmcs[VmcsField.GuestInterruptibilityState] = shadow;
        _vmcs[VmcsField.GuestActivityState] = (ulong)ActivityState.Hlt;

        Fails(VmcsField.GuestActivityState);
    }

    [Theory]
    [InlineData(ActivityState.Hlt, 0x8000_0020u, true)] // external interrupt
    [InlineData(ActivityState.Hlt, 0x8000_0202u, true)] // NMI
    [InlineData(ActivityState.Hlt, 0x8000_0301u, true)] // #DB
    [InlineData(ActivityState.Hlt, 0x8000_0312u, true)] // #MC
    [InlineData(ActivityState.Hlt, 0x8000_0700u, true)] // pending MTF
    [InlineData(ActivityState.Hlt, 0x8000_0B0Du, false)] // #GP
    [InlineData(ActivityState.Hlt, 0x8000_0480u, false)] // INT n
    [InlineData(ActivityState.Shutdown, 0x8000_0202u, true)]
    [InlineData(ActivityState.Shutdown, 0x8000_0312u, true)]
    [InlineData(ActivityState.Shutdown, 0x8000_0020u, false)]
    [InlineData(ActivityState.Shutdown, 0x8000_0301u, false)]
    [InlineData(ActivityState.WaitForSipi, 0x8000_0202u, false)]
    [InlineData(ActivityState.WaitForSipi, 0x8000_0312u, false)]
    public void Injected_event_must_end_the_activity_state(ActivityState state, uint information, bool passes)
    {
        _vmcs[VmcsField.GuestActivityState] = (ulong)state;
        _vmcs[VmcsField.EntryInterruptionInformation] = information;
        _vmcs[VmcsField.EntryInstructionLength] = 2;

        if (passes)
        {
            EntryCheckAssert.Passes(_vmcs);
        }
        else
        {
            Fails(VmcsField.GuestActivityState);
        }
    }

    [Theory]
    [InlineData("reserved bit 5", 0x20ul)]
    [InlineData("blocking by SMI", 0x4ul)]
    [InlineData("enclave interruption", 0x10ul)]
    [InlineData("STI and MOV SS together", 0x3ul)]
    public void Bad_interruptibility_fails(string what, ulong value)
    {
        Assert.NotEmpty(what);
        _vmcs[VmcsField.GuestInterruptibilityState] = value;

        Fails(VmcsField.GuestInterruptibilityState);
    }

    [Fact]
    public void Blocking_by_sti_needs_the_interrupt_flag()
    {
        _vmcs[VmcsField.GuestInterruptibilityState] = Sti;
        EntryCheckAssert.Passes(_vmcs);

        _vmcs[VmcsField.GuestRflags] = (ulong)RflagsBits.Fixed1;
        Fails(VmcsField.GuestInterruptibilityState);
    }

    [Theory]
    [InlineData(Sti)]
    [InlineData(MovSs)]
    public void External_interrupt_cannot_be_injected_into_an_interrupt_shadow(ulong shadow)
    {
        _vmcs[VmcsField.GuestInterruptibilityState] = shadow;
        _vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.ExternalInterrupt(0x20).Value;

        Fails(VmcsField.GuestInterruptibilityState);
    }

    [Theory]
    [InlineData(Sti, EntryFailureQualification.NmiInjection)]
    [InlineData(MovSs, EntryFailureQualification.Other)]
    public void Nmi_cannot_be_injected_into_an_interrupt_shadow(ulong shadow, EntryFailureQualification qualification)
    {
        _vmcs[VmcsField.GuestInterruptibilityState] = shadow;
        _vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Nmi.Value;

        Assert.Equal(qualification, Fails(VmcsField.GuestInterruptibilityState).Qualification);
    }

    [Fact]
    public void Nmi_cannot_be_injected_while_virtual_nmis_are_blocked()
    {
        _vmcs[VmcsField.GuestInterruptibilityState] = (ulong)InterruptibilityState.BlockingByNmi;
        _vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Nmi.Value;
        EntryCheckAssert.Passes(_vmcs);

        _vmcs[VmcsField.PinBasedControls] |= (ulong)(PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis);
        Fails(VmcsField.GuestInterruptibilityState);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(11)]
    [InlineData(13)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(63)]
    public void Reserved_pending_debug_exception_fails(int bit)
    {
        _vmcs[VmcsField.GuestPendingDebugExceptions] = 1ul << bit;

        Fails(VmcsField.GuestPendingDebugExceptions);
    }

    [Theory]
    [InlineData(true, false, true)]
    [InlineData(true, true, false)]
    [InlineData(false, false, false)]
    public void Single_step_is_pending_in_a_shadow_exactly_when_tf_is_set_and_btf_is_not(bool tf, bool btf, bool mustBePending)
    {
        _vmcs[VmcsField.GuestInterruptibilityState] = MovSs;
        _vmcs[VmcsField.GuestRflags] |= tf ? (ulong)RflagsBits.Tf : 0;
        _vmcs[VmcsField.GuestIa32Debugctl] = btf ? 2ul : 0;

        _vmcs[VmcsField.GuestPendingDebugExceptions] = mustBePending ? (ulong)PendingDebugExceptions.SingleStep : 0;
        EntryCheckAssert.Passes(_vmcs);

        _vmcs[VmcsField.GuestPendingDebugExceptions] ^= (ulong)PendingDebugExceptions.SingleStep;
        Fails(VmcsField.GuestPendingDebugExceptions);
    }

    [Theory]
    [InlineData(0ul)]
    [InlineData(0x1000ul)]
    public void Vmcs_link_pointer_must_be_all_ones(ulong pointer)
    {
        _vmcs[VmcsField.VmcsLinkPointer] = pointer;

        Assert.Equal(EntryFailureQualification.VmcsLinkPointer, Fails(VmcsField.VmcsLinkPointer).Qualification);
    }

    private VmEntryFailure Fails(VmcsField field) => EntryCheckAssert.Fails(_vmcs, VmEntryFailureKind.GuestState, "27.3.1.5", field);
}
