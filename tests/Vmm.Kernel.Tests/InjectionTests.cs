namespace Vmm.Kernel.Tests;

/// <summary>Interrupts on their way into the guest.</summary>
public sealed class InjectionTests : ExitTest
{
    [Fact]
    public void An_interrupt_is_injected_when_the_guest_can_take_it()
    {
        StartWithInterrupts(enabled: true);
        Bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
        ScriptedExit exit = Processor.RunExit(Kick);
        Assert.True(exit.Injected == InterruptionInformation.ExternalInterrupt(0x41) || WasInjected(0x41), $"{exit.Injected}");
    }

    [Fact]
    public void An_interrupt_waits_for_the_window_while_the_guest_has_interrupts_off()
    {
        StartWithInterrupts(enabled: false);
        Bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
        Assert.False(Processor.RunExit(Kick).Injected.IsValid);
        Assert.True(Window(PrimaryProcessorBasedControls.InterruptWindowExiting));

        Processor[VmcsField.GuestRflags] = (ulong)RflagsBits.If;
        ScriptedExit window = Processor.RunExit(new VmExit { Reason = ExitReason.InterruptWindow });
        Assert.Equal(InterruptionInformation.ExternalInterrupt(0x41), window.Injected);
        Assert.False(Window(PrimaryProcessorBasedControls.InterruptWindowExiting));
    }

    [Fact]
    public void The_interrupt_shadow_holds_interrupts_back()
    {
        StartWithInterrupts(enabled: true);
        Processor[VmcsField.GuestInterruptibilityState] = (ulong)InterruptibilityState.BlockingBySti;
        Bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
        Assert.False(Processor.RunExit(Kick).Injected.IsValid);
        Assert.True(Window(PrimaryProcessorBasedControls.InterruptWindowExiting));
    }

    /// <summary>Engines that have moved RIP already say a length of 0, and the shadow is as it must be.</summary>
    [Fact]
    public void An_instruction_that_the_engine_has_finished_leaves_the_interrupt_shadow()
    {
        StartWithInterrupts(enabled: true);
        Processor[VmcsField.GuestInterruptibilityState] = (ulong)InterruptibilityState.BlockingBySti;
        Processor.RunExit(new VmExit { Reason = ExitReason.Hlt });
        Assert.Equal((ulong)InterruptibilityState.BlockingBySti, Processor[VmcsField.GuestInterruptibilityState]);
    }

    [Fact]
    public void An_nmi_ignores_the_interrupt_flag_but_waits_for_the_end_of_another()
    {
        StartWithInterrupts(enabled: false);
        Processor[VmcsField.GuestInterruptibilityState] = (ulong)InterruptibilityState.BlockingByNmi;
        Bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x400);
        Assert.False(Processor.RunExit(Kick).Injected.IsValid);
        Assert.True(Window(PrimaryProcessorBasedControls.NmiWindowExiting));
        Processor[VmcsField.GuestInterruptibilityState] = 0;
        Assert.Equal(InterruptionInformation.Nmi, Processor.RunExit(new VmExit { Reason = ExitReason.NmiWindow }).Injected);
    }

    [Fact]
    public void An_interrupt_raised_by_the_access_itself_comes_after_the_instruction()
    {
        StartWithInterrupts(enabled: true, beforeStart: () =>
            Claim(0x20, new TestDevice { OnWrite = (_, _, _) => Bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41) }));
        ScriptedExit exit = Processor.RunExit(Io(VmExitAccess.Write, 0x20, 1));
        Assert.Equal(VmExitAction.Complete, exit.Action);
        Assert.False(exit.Injected.IsValid);
        Assert.True(Window(PrimaryProcessorBasedControls.InterruptWindowExiting));
    }

    [Fact]
    public void Hlt_leaves_and_an_interrupt_wakes_the_processor_after_the_instruction()
    {
        StartWithInterrupts(enabled: true);
        Processor[VmcsField.GuestRip] = 0x1000;
        ScriptedExit halt = Processor.RunExit(new VmExit { Reason = ExitReason.Hlt, InstructionLength = 1 });
        Assert.Equal(VmExitAction.Leave, halt.Action);
        Assert.Equal(0x1001UL, Processor[VmcsField.GuestRip]);
        Bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
        Processor.RunExit(Kick);
        Assert.True(WasInjected(0x41));
    }

    [Fact]
    public void Hlt_with_an_interrupt_waiting_goes_on_at_once()
    {
        StartWithInterrupts(enabled: false);
        Bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
        Processor.RunExit(Kick);
        Processor[VmcsField.GuestRflags] = (ulong)RflagsBits.If;
        ScriptedExit halt = Processor.RunExit(new VmExit { Reason = ExitReason.Hlt, InstructionLength = 1 });
        Assert.Equal(VmExitAction.Resume, halt.Action);
        Assert.Equal(InterruptionInformation.ExternalInterrupt(0x41), halt.Injected);
    }

    [Fact]
    public void The_8259_interrupts_through_lint0_in_extint_mode()
    {
        var pic = new Pic();
        Bench.AddDevice("pic", context => new TestDevice
        {
            OnAttach = () =>
            {
                context.Interrupts.AttachController(pic);
                pic.Output = context.Interrupts.ExternalInterrupt;
            },
        });
        Bench.Machine.AttachDevices();
        StartWithInterrupts(enabled: true, beforeStart: null);
        Processor.RunExit(Mmio(VmExitAccess.Write, 0xFEE0_0350, 4, 0x700));
        Bench.Machine.Interrupts.Line(4).Set(true);
        Processor.RunExit(Kick);
        Assert.True(WasInjected(0x34));
    }

    [Fact]
    public void An_application_processor_waits_for_its_startup_ipi_and_starts_at_its_vector()
    {
        using var bench = new TestBench(new VirtualMachineOptions { ProcessorCount = 2 });
        bench.Machine.Start();
        FakeProcessor second = bench.Engine.Machines[0].Processors[1];
        Assert.DoesNotContain("VMLAUNCH", second.Instructions);
        bench.Processor.RunExit(Mmio(VmExitAccess.Write, 0xFEE0_0310, 4, 0x0100_0000));
        bench.Processor.RunExit(Mmio(VmExitAccess.Write, 0xFEE0_0300, 4, 0x4500));
        bench.Processor.RunExit(Mmio(VmExitAccess.Write, 0xFEE0_0300, 4, 0x469F));
        second.RunExit(Kick);
        Assert.Equal(0x9F00, second.Loaded!.Segments[(int)SegmentRegister.Cs].Selector);
        Assert.Equal(0x9_F000UL, second.Loaded.Segments[(int)SegmentRegister.Cs].Base);
        Assert.Equal(0UL, second.Loaded.Rip);
    }

    private bool Window(PrimaryProcessorBasedControls control) => (Processor[VmcsField.PrimaryProcessorBasedControls] & (ulong)control) != 0;

    /// <summary>Whether an interrupt was the last event that entered the guest.</summary>
    private bool WasInjected(byte vector) => (byte)Processor[VmcsField.EntryInterruptionInformation] == vector;

    private void StartWithInterrupts(bool enabled, Action? beforeStart = null)
    {
        beforeStart?.Invoke();
        Bench.Machine.Start();
        Processor.RunExit(Kick);
        Processor[VmcsField.GuestRflags] = enabled ? (ulong)RflagsBits.If : 0;
        Processor.RunExit(Mmio(VmExitAccess.Write, 0xFEE0_00F0, 4, 0x1FF));
    }

    private sealed class Pic : IInterruptController, IExternalInterruptSource
    {
        public IInterruptLine? Output { get; set; }

        public void SetLine(int line, bool asserted) => Output?.Set(asserted);

        public byte Acknowledge()
        {
            Output?.Set(false);
            return 0x34;
        }
    }
}
