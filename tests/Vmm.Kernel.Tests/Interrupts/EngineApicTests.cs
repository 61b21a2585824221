namespace Vmm.Kernel.Tests;

/// <summary>The kernel on an engine that has local APICs of its own.</summary>
public sealed class EngineApicTests : IDisposable
{
    private const ulong Message = 0xFEE0_0000;
    private const int SpuriousVector = 0x0F, LvtLint1 = 0x36;
    private static readonly VmExit Kick = new() { Reason = ExitReason.ExternalInterrupt };

    private readonly ManualTime _time = new();
    private readonly TestBench _bench;

    public EngineApicTests() => _bench = new TestBench(new VirtualMachineOptions { ProcessorCount = 2 }, time: _time, engineApics: true);

    private FakeInterrupts Interrupts => _bench.Engine.Machines[0].Interrupts!;

    private FakeProcessor Processor => _bench.Processor;

    private FakeLocalApic Apic => Processor.LocalApic!;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Processors_that_share_a_thread_keep_the_kernels_apics()
    {
        using var pool = new CpuPool("shared", 1, _bench.Log);
        using var bench = new TestBench(new VirtualMachineOptions { ProcessorCount = 2 }, pool, engineApics: true);
        Assert.Null(bench.Engine.Machines[0].Interrupts);
    }

    [Fact]
    public void A_vm_that_is_being_made_counts_for_another_that_wants_the_same_thread()
    {
        using var pool = new CpuPool("shared", 1, _bench.Log);
        FakeEngine first = new() { OffersLocalApics = true }, second = new() { OffersLocalApics = true };
        var other = new Thread(() => Make(second, 2).Dispose());
        first.OnCreate = () =>
        {
            other.Start();
            Assert.True(SpinWait.SpinUntil(
                () => !other.IsAlive || other.ThreadState.HasFlag(ThreadState.WaitSleepJoin), TimeSpan.FromSeconds(20)));
        };
        using VirtualMachine machine = Make(first, 1);
        Assert.True(other.Join(TimeSpan.FromSeconds(20)));
        Assert.NotNull(first.Machines[0].Interrupts);
        Assert.Null(second.Machines[0].Interrupts);

        VirtualMachine Make(FakeEngine engine, int id)
        {
            var memory = new GuestMemory();
            memory.AddRam("ram", 0, 1 << 20);
            return new VirtualMachine(new VirtualMachineOptions { Id = id }, engine, pool, memory, _bench.Log);
        }
    }

    [Fact]
    public void Registers_and_activity_are_with_the_engine_while_the_vm_runs()
    {
        _bench.Machine.SetProcessorState(0, PowerOnState.Create(0));
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        FakeLocalApic second = _bench.Engine.Machines[0].Processors[1].LocalApic!;
        Assert.Equal(0x1FFu, Apic.State.Registers[SpuriousVector]); // virtual-wire mode
        Assert.Equal(ActivityState.Active, Apic.Activity);
        Assert.Equal(ActivityState.WaitForSipi, second.Activity);
        Assert.Equal(0xFFu, second.State.Registers[SpuriousVector]);
    }

    [Fact]
    public void A_pause_takes_the_registers_back_and_time_stands_still_for_them()
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        LocalApicState running = Apic.State;
        running.Registers[0x32] = 0x41;
        running.Registers[0x38] = 1000;
        running.Registers[0x3E] = 0xB;
        running.Registers[SpuriousVector] = 0x11FF; // with the broadcast of ends turned off
        running.TimerExpiry = 500;
        Apic.Activity = ActivityState.Hlt;
        _bench.Machine.Pause();
        Assert.Equal((uint)ActivityState.Hlt, _bench.Machine.GetProcessorState(0).Activity);
        Assert.Equal(500, _bench.Machine.GetProcessorState(0).LocalApic!.TimerExpiry);
        Apic.Activity = ActivityState.Active;
        _bench.Machine.Resume();
        Processor.RunExit(Kick);
        Assert.Equal(2, Apic.Loads);
        Assert.NotSame(running, Apic.State);
        Assert.Equal((500L, 0x41u, 0x11FFu), (Apic.State.TimerExpiry, Apic.State.Registers[0x32], Apic.State.Registers[SpuriousVector]));
        Assert.Equal(ActivityState.Hlt, Apic.Activity);
    }

    [Fact]
    public void A_start_up_ipi_of_a_saved_vm_is_acted_upon_before_the_engine_has_the_processor()
    {
        _bench.Machine.AttachDevices();
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        _bench.Machine.Pause();
        ProcessorState state = _bench.Machine.GetProcessorState(1);
        state.InitPending = true;
        state.StartupVector = 0x9F;
        VirtualProcessor second = _bench.Machine.Processors[1];
        second.Restore(state);
        _bench.Machine.Resume();
        FakeProcessor logical = _bench.Engine.Machines[0].Processors[1];
        logical.RunExit(Kick);
        Assert.Equal(ActivityState.Active, logical.LocalApic!.Activity);
        Assert.Equal(0x9F00, logical.Loaded!.Segments[(int)SegmentRegister.Cs].Selector);
    }

    [Fact]
    public void Messages_go_to_the_engine_but_those_it_does_not_know()
    {
        _bench.Machine.Start();
        _bench.Machine.Interrupts.SendMessage(Message | 0x1000, 0xC041);
        _bench.Machine.Interrupts.SendMessage(Message | 8, 0x42);
        _bench.Machine.Interrupts.SendMessage(Message, 0x700); // ExtINT
        _bench.Machine.Interrupts.SendMessage(Message, 0x200); // SMI
        Assert.Equal([(Message | 0x1000, 0xC041u), (Message, 0x142u)], Interrupts.Sent);
    }

    [Fact]
    public void A_message_to_a_quiet_vm_is_in_the_registers_that_the_engine_gets()
    {
        _bench.Machine.SetProcessorState(0, PowerOnState.Create(0));
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        _bench.Machine.Pause();
        _bench.Machine.Interrupts.SendMessage(Message, 0x41);
        _bench.Machine.Resume();
        Assert.Empty(Interrupts.Sent);
        Assert.Equal(1u << 1, Apic.State.Registers[0x22]); // IRR: vectors 64 to 95
    }

    [Fact]
    public void A_state_that_the_engine_does_not_take_ends_the_vm_with_the_reason()
    {
        Apic.OnLoad = () => throw new InvalidOperationException("no such mode");
        _bench.Machine.Start();
        VmOutcome.Faulted outcome = Assert.IsType<VmOutcome.Faulted>(_bench.WaitForEnd());
        Assert.Contains("the engine does not take the state of the local APIC: no such mode", outcome.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_state_that_the_engine_does_not_give_back_does_not_keep_the_vm_from_ending()
    {
        Apic.OnSave = () => throw new InvalidOperationException("no such processor");
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        _bench.Machine.Stop();
        Assert.IsType<VmOutcome.Stopped>(_bench.WaitForEnd());
    }

    [Fact]
    public void A_state_that_the_engine_does_not_give_back_ends_the_vm_with_the_reason()
    {
        Apic.OnSave = () => throw new InvalidOperationException("no such processor");
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        _bench.Machine.Pause();
        VmOutcome.Faulted outcome = Assert.IsType<VmOutcome.Faulted>(_bench.WaitForEnd());
        Assert.Contains("the engine does not give back the state of the local APIC: no such processor", outcome.Message, StringComparison.Ordinal);
    }

    /// <summary>An INIT that has come changes them at that moment.</summary>
    [Fact]
    public void Registers_are_saved_after_the_engine_was_asked_for_the_activity()
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Apic.OnActivity = () => Apic.State.Registers[SpuriousVector] = 0x1AA;
        _bench.Machine.Pause();
        Assert.Equal(0x1AAu, _bench.Machine.GetProcessorState(0).LocalApic!.Registers[SpuriousVector]);
    }

    [Theory]
    [InlineData(0x400u, true)]
    [InlineData(0x1_0400u, false)]
    public void An_nmi_that_the_processor_has_not_looked_at_is_saved_where_lint1_lets_it_through(uint entry, bool passes)
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        FakeLocalApic second = _bench.Engine.Machines[0].Processors[1].LocalApic!;
        second.State.Registers[LvtLint1] = entry;
        second.Activity = ActivityState.WaitForSipi;
        second.OnActivity = () => _bench.Machine.Processors[1].SignalNmi();
        _bench.Machine.Pause();
        Assert.Equal(passes, _bench.Machine.GetProcessorState(1).NmiPending);
    }

    [Fact]
    public void An_nmi_that_the_engine_holds_is_saved()
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Processor.HoldsNmi = true;
        _bench.Machine.Pause();
        Assert.True(_bench.Machine.GetProcessorState(0).NmiPending);
    }

    [Fact]
    public void An_nmi_message_to_a_quiet_vm_is_no_business_of_lint1()
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Apic.State.Registers[LvtLint1] = 0x1_0400;
        _bench.Machine.Pause();
        _bench.Machine.Interrupts.SendMessage(Message, 0x400);
        _bench.Machine.Resume();
        Processor.RunExit(Kick);
        Processor.RunExit(Kick);
        Assert.Equal((byte)ExceptionVector.Nmi, (byte)Processor[VmcsField.EntryInterruptionInformation]);
    }

    [Fact]
    public void The_8259_waits_until_the_window_tells_that_the_engines_lint0_lets_it_through()
    {
        _bench.Machine.CreateDeviceContext("pic").Interrupts.AttachController(new Pic());
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Processor[VmcsField.GuestRflags] = (ulong)RflagsBits.If;
        _bench.Machine.Interrupts.ExternalInterrupt.AddSource().Set(true);
        Assert.False(Processor.RunExit(Kick).Injected.IsValid);
        Assert.NotEqual(0UL, Processor[VmcsField.PrimaryProcessorBasedControls] & (ulong)PrimaryProcessorBasedControls.InterruptWindowExiting);
        ScriptedExit window = Processor.RunExit(new VmExit { Reason = ExitReason.InterruptWindow });
        Assert.Equal(InterruptionInformation.ExternalInterrupt(0x34), window.Injected);
    }

    [Theory]
    [InlineData(0x400u, true)]
    [InlineData(0x1_0400u, false)]
    [InlineData(0x41u, false)]
    public void The_nmi_line_is_injected_where_the_engines_lint1_lets_it_through(uint entry, bool passes)
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Apic.State.Registers[LvtLint1] = entry;
        _bench.Machine.Interrupts.NonMaskableInterrupt.AddSource().Set(true);
        Processor.RunExit(Kick);
        Processor.RunExit(Kick);
        bool injected = (byte)Processor[VmcsField.EntryInterruptionInformation] == (byte)ExceptionVector.Nmi;
        Assert.Equal(passes, injected);
    }

    [Fact]
    public void The_end_of_a_level_triggered_interrupt_reaches_the_controllers()
    {
        var controller = new Pic();
        _bench.Machine.CreateDeviceContext("ioapic").Interrupts.AttachController(controller);
        _bench.Machine.Start();
        Processor.RunExit(new VmExit { Reason = ExitReason.VirtualizedEoi, Qualification = 0x41 });
        Assert.Equal([0x41], controller.Ends);
    }

    [Fact]
    public void Registers_of_the_apic_do_not_exit_and_what_the_engine_refuses_is_refused()
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Span<byte> bitmap = _bench.Engine.Machines[0].Pages[Processor[VmcsField.MsrBitmapAddress]].Span;
        Assert.Equal(0, bitmap[(int)Msr.Ia32ApicBase / 8] & (1 << ((int)Msr.Ia32ApicBase & 7)));
        Assert.Equal(0, bitmap[(int)Msr.X2ApicIcr / 8]);
        Processor.Registers.Rcx = Msr.Ia32ApicBase;
        Processor.Registers.Rax = 0xFEE0_0900;
        ScriptedExit write = Processor.RunExit(new VmExit { Reason = ExitReason.Wrmsr, InstructionLength = 2 });
        Assert.Equal(InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection).Value & 0xFF, write.Injected.Value & 0xFF);
    }

    private sealed class Pic : IInterruptController, IExternalInterruptSource, IEndOfInterruptListener
    {
        public List<byte> Ends { get; } = [];

        public void SetLine(int line, bool asserted)
        {
        }

        public byte Acknowledge() => 0x34;

        public void EndOfInterrupt(byte vector) => Ends.Add(vector);
    }
}
