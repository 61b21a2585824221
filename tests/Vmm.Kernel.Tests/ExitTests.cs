namespace Vmm.Kernel.Tests;

public sealed class ExitTests : IDisposable
{
    private static readonly VmExit Kick = new() { Reason = ExitReason.ExternalInterrupt };

    private static readonly InterruptionInformation GeneralProtection = InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection);

    private readonly TestBench _bench = new();

    private FakeProcessor Processor => _bench.Processor;

    private LocalApic Apic => _bench.Machine.Processors[0].Apic;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_port_read_puts_the_devices_value_in_the_exit()
    {
        Claim(0x60, new TestDevice { OnRead = (_, _) => 0x1AB });
        _bench.Machine.Start();
        ScriptedExit exit = Processor.RunExit(Io(VmExitAccess.Read, 0x60, 1));
        Assert.Equal(VmExitAction.Complete, exit.Action);
        Assert.Equal(0xABUL, exit.Exit.Data);
    }

    [Fact]
    public void An_ept_violation_without_memory_or_device_reads_as_all_ones()
    {
        _bench.Machine.Start();
        ScriptedExit exit = Processor.RunExit(Mmio(VmExitAccess.Read, 0xC000_0000, 4));
        Assert.Equal(VmExitAction.Complete, exit.Action);
        Assert.Equal(0xFFFF_FFFFUL, exit.Exit.Data);
    }

    [Fact]
    public void The_xapic_page_answers_before_the_memory_mapped_devices()
    {
        _bench.Machine.Start();
        Assert.Equal(0x0005_0014UL, Processor.RunExit(Mmio(VmExitAccess.Read, 0xFEE0_0030, 4)).Exit.Data);
    }

    [Fact]
    public void A_write_to_rom_vanishes_without_a_word()
    {
        _bench.Memory.AddRom("bios", 0xFFFF_0000, new byte[0x10000]);
        _bench.Machine.Start();
        Assert.Equal(VmExitAction.Complete, Processor.RunExit(Mmio(VmExitAccess.Write, 0xFFFF_0010, 1)).Action);
        Assert.Equal(0, _bench.Machine.Mmio.Unanswered);
    }

    [Fact]
    public void Code_fetched_from_nowhere_is_an_invalid_opcode()
    {
        _bench.Machine.Start();
        ScriptedExit exit = Processor.RunExit(new VmExit
        {
            Reason = ExitReason.EptViolation,
            GuestPhysicalAddress = 0xD000_0000,
            Qualification = EptViolationQualification.Create(EptAccess.Execute, EptAccess.None, true, true).Value,
        });
        Assert.Equal(InterruptionInformation.HardwareException(ExceptionVector.InvalidOpcode), exit.Injected);
        Assert.Equal(VmExitAction.Resume, exit.Action);
    }

    [Fact]
    public void Page_tables_that_are_no_memory_are_a_page_fault_with_reserved_bits()
    {
        _bench.Machine.Start();
        ScriptedExit exit = Processor.RunExit(new VmExit
        {
            Reason = ExitReason.EptViolation,
            GuestPhysicalAddress = 0xD000_0000,
            GuestLinearAddress = 0x1234_5678,
            Qualification = EptViolationQualification.Create(EptAccess.Read, EptAccess.None, true, false).Value,
        });
        Assert.Equal(InterruptionInformation.HardwareException(ExceptionVector.PageFault), exit.Injected);
        Assert.Equal(9UL, Processor[VmcsField.EntryExceptionErrorCode]);
        Assert.Equal(0x1234_5678UL, Processor.Cr2);
    }

    [Fact]
    public void An_event_delivered_into_nowhere_is_a_triple_fault()
    {
        using var bench = new TestBench(new VirtualMachineOptions { NoReboot = true });
        bench.Machine.Start();
        bench.Processor[VmcsField.IdtVectoringInformation] = InterruptionInformation.HardwareException(ExceptionVector.DoubleFault).Value;
        bench.Processor.RunExit(new VmExit { Reason = ExitReason.EptViolation, GuestPhysicalAddress = 0xD000_0000 });
        Assert.IsType<VmOutcome.TripleFault>(bench.WaitForEnd());
    }

    [Fact]
    public void Cpuid_shows_topology_time_and_a_hypervisor()
    {
        _bench.Machine.Start();
        Assert.Equal(0x16UL, Cpuid(0).Rax);
        GuestRegisters features = Cpuid(1);
        Assert.Equal(1UL << 31, features.Rcx & (1UL << 31)); // hypervisor
        Assert.Equal(1UL << 21, features.Rcx & (1UL << 21)); // x2APIC
        Assert.Equal(0UL, features.Rcx & (1UL << 5)); // no VMX
        Assert.Equal(1UL << 9, features.Rdx & (1UL << 9)); // APIC
        GuestRegisters crystal = Cpuid(0x15);
        Assert.Equal(1_000_000_000UL, crystal.Rcx * crystal.Rbx / crystal.Rax);
        Assert.Equal(0UL, Cpuid(0x4000_0000).Rax);
    }

    [Fact]
    public void A_cpuid_handler_adjusts_and_a_throwing_one_changes_nothing()
    {
        _bench.Machine.AddExitHandler("pv", new CpuidHandler(0x4000_0000, (ref CpuidResult r) => r = new CpuidResult(1, 2, 3, 4)));
        _bench.Machine.AddExitHandler("bad", new CpuidHandler(0x4000_0000, (ref CpuidResult r) =>
        {
            r = default;
            throw new InvalidOperationException();
        }));
        _bench.Machine.Start();
        GuestRegisters result = Cpuid(0x4000_0000);
        Assert.Equal((1UL, 2UL, 3UL, 4UL), (result.Rax, result.Rbx, result.Rcx, result.Rdx));
    }

    [Fact]
    public void An_unknown_msr_is_a_general_protection_fault_in_the_guest()
    {
        _bench.Machine.Start();
        ScriptedExit exit = Msr(ExitReason.Rdmsr, 0x1234);
        Assert.Equal(VmExitAction.Resume, exit.Action);
        Assert.Equal(InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection), exit.Injected);
        Assert.Contains(_bench.Log.Messages, m => m.Message.Contains("RDMSR 0x1234"));
    }

    [Fact]
    public void The_time_stamp_counter_moves_with_its_msr_and_its_adjustment()
    {
        _bench.Machine.Start();
        Msr(ExitReason.Wrmsr, Vmx.Msr.Ia32TimeStampCounter, 1UL << 60);
        ulong offset = Processor[VmcsField.TscOffset];
        Assert.InRange(offset, (1UL << 60) - 3_600_000_000_000, 1UL << 60);
        Msr(ExitReason.Rdmsr, Vmx.Msr.Ia32TscAdjust);
        Assert.Equal(offset, (Processor.Registers.Rdx << 32) | Processor.Registers.Rax);
        Msr(ExitReason.Wrmsr, Vmx.Msr.Ia32TscAdjust, 0);
        Assert.Equal(0UL, Processor[VmcsField.TscOffset]);
    }

    [Fact]
    public void Mtrrs_are_stored_and_illegal_types_refused()
    {
        _bench.Machine.Start();
        Assert.Equal(VmExitAction.NextInstruction, Msr(ExitReason.Wrmsr, Vmx.Msr.Ia32MtrrDefType, 0xC06).Action);
        Assert.Equal(VmExitAction.Resume, Msr(ExitReason.Wrmsr, Vmx.Msr.Ia32MtrrDefType, 0x002).Action);
        Msr(ExitReason.Rdmsr, Vmx.Msr.Ia32MtrrDefType);
        Assert.Equal(0xC06UL, Processor.Registers.Rax);
    }

    [Fact]
    public void An_msr_handler_owns_its_range_and_makes_it_exit()
    {
        var handler = new MsrHandler("clock", Vmx.Msr.Ia32Star);
        _bench.Machine.AddExitHandler("pv", handler);
        _bench.Machine.Start();
        Msr(ExitReason.Wrmsr, Vmx.Msr.Ia32Star, 0x55);
        Msr(ExitReason.Rdmsr, Vmx.Msr.Ia32Star);
        Assert.Equal(0x55UL, Processor.Registers.Rax);
        Span<byte> bitmap = _bench.Engine.Machines[0].Pages[Processor[VmcsField.MsrBitmapAddress]].Span;
        Assert.Equal(2, bitmap[1024 + (0x81 / 8)] & 2); // STAR exits now
        Assert.Equal(0, bitmap[1024 + (0x82 / 8)] & 4); // LSTAR does not
    }

    [Fact]
    public void Two_owners_of_an_msr_are_a_start_up_error_that_names_both()
    {
        _bench.Machine.AddExitHandler("pv", new MsrHandler("clock", 0x4B56_4D00));
        _bench.Machine.AddExitHandler("other", new MsrHandler("time", 0x4B56_4D00));
        _bench.Machine.AddExitHandler("thief", new MsrHandler("apic", Vmx.Msr.Ia32ApicBase));
        var exception = Assert.Throws<ResourceConflictException>(_bench.Machine.Start);
        Assert.Equal(2, exception.Conflicts.Count);
        Assert.Contains("'pv'", exception.Message);
        Assert.Contains("'other'", exception.Message);
        Assert.Contains("'kernel'", exception.Message);
    }

    [Fact]
    public void Exit_handlers_are_called_in_order_and_the_first_answer_counts()
    {
        var calls = new List<string>();
        _bench.Machine.AddExitHandler("first", new Handler(ExitReason.Vmcall, (ref _) => Note(calls, "first", ExitDisposition.Pass)));
        _bench.Machine.AddExitHandler("second", new Handler(ExitReason.Vmcall, (ref _) => Note(calls, "second", ExitDisposition.NextInstruction)));
        _bench.Machine.AddExitHandler("third", new Handler(ExitReason.Vmcall, (ref _) => Note(calls, "third", ExitDisposition.Pass)));
        _bench.Machine.Start();
        Assert.Equal(VmExitAction.NextInstruction, Processor.RunExit(new VmExit { Reason = ExitReason.Vmcall, InstructionLength = 3 }).Action);
        Assert.Equal(["first", "second"], calls);
    }

    [Fact]
    public void An_exit_handler_that_throws_is_skipped_and_after_eight_times_disabled()
    {
        int calls = 0;
        _bench.Machine.AddExitHandler("bad", new Handler(ExitReason.Vmcall, (ref _) => throw new InvalidOperationException($"{++calls}")));
        _bench.Machine.Start();
        for (int i = 0; i < 20; i++)
        {
            Processor.RunExit(new VmExit { Reason = ExitReason.Vmcall });
        }

        Assert.Equal(8, calls);
        Assert.Contains("disabled", _bench.Log.Messages.Last(m => m.Source == "bad").Message);
        Assert.Equal(VirtualMachineState.Running, _bench.Machine.State);
    }

    [Fact]
    public void An_exit_handler_may_stop_the_vm_and_is_named()
    {
        _bench.Machine.AddExitHandler("guard", new Handler(ExitReason.Vmcall, (ref _) => ExitDisposition.Stop));
        _bench.Machine.Start();
        Processor.RunExit(new VmExit { Reason = ExitReason.Vmcall });
        Assert.Contains("'guard'", Assert.IsType<VmOutcome.Faulted>(_bench.WaitForEnd()).Message);
    }

    [Fact]
    public void A_vmcall_nobody_answers_is_an_invalid_opcode()
    {
        _bench.Machine.Start();
        Assert.Equal(
            InterruptionInformation.HardwareException(ExceptionVector.InvalidOpcode),
            Processor.RunExit(new VmExit { Reason = ExitReason.Vmcall }).Injected);
    }

    [Fact]
    public void An_interrupt_is_injected_when_the_guest_can_take_it()
    {
        StartWithInterrupts(enabled: true);
        _bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
        ScriptedExit exit = Processor.RunExit(Kick);
        Assert.True(exit.Injected == InterruptionInformation.ExternalInterrupt(0x41) || WasInjected(0x41), $"{exit.Injected}");
    }

    [Fact]
    public void An_interrupt_waits_for_the_window_while_the_guest_has_interrupts_off()
    {
        StartWithInterrupts(enabled: false);
        _bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
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
        _bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
        Assert.False(Processor.RunExit(Kick).Injected.IsValid);
        Assert.True(Window(PrimaryProcessorBasedControls.InterruptWindowExiting));
    }

    [Fact]
    public void An_nmi_ignores_the_interrupt_flag_but_waits_for_the_end_of_another()
    {
        StartWithInterrupts(enabled: false);
        Processor[VmcsField.GuestInterruptibilityState] = (ulong)InterruptibilityState.BlockingByNmi;
        _bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x400);
        Assert.False(Processor.RunExit(Kick).Injected.IsValid);
        Assert.True(Window(PrimaryProcessorBasedControls.NmiWindowExiting));
        Processor[VmcsField.GuestInterruptibilityState] = 0;
        Assert.Equal(InterruptionInformation.Nmi, Processor.RunExit(new VmExit { Reason = ExitReason.NmiWindow }).Injected);
    }

    [Fact]
    public void An_interrupt_raised_by_the_access_itself_comes_after_the_instruction()
    {
        StartWithInterrupts(enabled: true, beforeStart: () =>
            Claim(0x20, new TestDevice { OnWrite = (_, _, _) => _bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41) }));
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
        _bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
        Processor.RunExit(Kick);
        Assert.True(WasInjected(0x41));
    }

    [Fact]
    public void Hlt_with_an_interrupt_waiting_goes_on_at_once()
    {
        StartWithInterrupts(enabled: false);
        _bench.Machine.Interrupts.SendMessage(0xFEE0_0000, 0x41);
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
        _bench.AddDevice("pic", context => new TestDevice
        {
            OnAttach = () =>
            {
                context.Interrupts.AttachController(pic);
                pic.Output = context.Interrupts.ExternalInterrupt;
            },
        });
        _bench.Machine.AttachDevices();
        StartWithInterrupts(enabled: true, beforeStart: null);
        Processor.RunExit(Mmio(VmExitAccess.Write, 0xFEE0_0350, 4, 0x700));
        _bench.Machine.Interrupts.Line(4).Set(true);
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

    [Fact]
    public void A_guest_sees_its_own_cr0_and_cr4_while_vmx_keeps_its_fixed_bits()
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Assert.Equal((ulong)Cr0Bits.Ne, Processor[VmcsField.GuestCr0] & (ulong)Cr0Bits.Ne);
        Assert.Equal(0UL, Processor[VmcsField.Cr0ReadShadow] & (ulong)Cr0Bits.Ne);
        Assert.Equal((ulong)Cr4Bits.Vmxe, Processor[VmcsField.GuestCr4]);
        Assert.Equal(0UL, Processor[VmcsField.Cr4ReadShadow]);
        Assert.Equal((ulong)Cr4Bits.Vmxe, Processor[VmcsField.Cr4GuestHostMask]);
    }

    [Fact]
    public void Mov_to_cr0_with_paging_in_long_mode_sets_lma_and_the_entry_control()
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Processor[VmcsField.GuestIa32Efer] = (ulong)EferBits.Lme;
        Processor[VmcsField.GuestCr4] |= (ulong)Cr4Bits.Pae;
        Processor.Registers.Rbx = 0x8000_0031;
        ScriptedExit exit = Processor.RunExit(new VmExit
        {
            Reason = ExitReason.ControlRegisterAccess, InstructionLength = 3, Qualification = ControlRegisterQualification.MovTo(0, 3).Value,
        });
        Assert.Equal(VmExitAction.NextInstruction, exit.Action);
        Assert.Equal((ulong)(EferBits.Lme | EferBits.Lma), Processor[VmcsField.GuestIa32Efer]);
        Assert.NotEqual(0UL, Processor[VmcsField.VmEntryControls] & (ulong)VmEntryControls.Ia32eModeGuest);
        Assert.Equal(0x8000_0031UL, Processor[VmcsField.Cr0ReadShadow]);
    }

    [Theory]
    [InlineData(0x8000_0000u)] // PG without PE
    [InlineData(0x2000_0001u)] // NW without CD
    public void Mov_to_cr0_with_an_illegal_value_is_a_general_protection_fault(uint value)
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Processor.Registers.Rax = value;
        ScriptedExit exit = Processor.RunExit(new VmExit { Reason = ExitReason.ControlRegisterAccess, Qualification = ControlRegisterQualification.MovTo(0, 0).Value });
        Assert.Equal(InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection), exit.Injected);
    }

    [Fact]
    public void Cr8_is_the_task_priority()
    {
        _bench.Machine.Start();
        Processor.Registers.Rcx = 9;
        Processor.RunExit(new VmExit { Reason = ExitReason.ControlRegisterAccess, Qualification = ControlRegisterQualification.MovTo(8, 1).Value });
        Assert.Equal(9u, Apic.Cr8);
        Processor.RunExit(new VmExit { Reason = ExitReason.ControlRegisterAccess, Qualification = ControlRegisterQualification.MovFrom(8, 2).Value });
        Assert.Equal(9UL, Processor.Registers.Rdx);
    }

    [Fact]
    public void Xsetbv_accepts_what_cpuid_announces_and_refuses_the_rest()
    {
        _bench.Machine.Start();
        Assert.Equal(VmExitAction.NextInstruction, Xsetbv(3).Action);
        Assert.Equal(3UL, Processor.Xcr0);
        Assert.Equal(VmExitAction.NextInstruction, Xsetbv(7).Action);
        Assert.Equal(7UL, Processor.Xcr0);
        Assert.Equal(GeneralProtection, Xsetbv(0).Injected);
        Assert.Equal(GeneralProtection, Xsetbv(6).Injected); // without x87
        Assert.Equal(GeneralProtection, Xsetbv(5).Injected); // AVX without SSE
        Assert.Equal(GeneralProtection, Xsetbv(0xE7).Injected); // AVX-512 is not announced
        Assert.Equal(GeneralProtection, Xsetbv(1UL << 32 | 7).Injected);
        Assert.Equal(7UL, Processor.Xcr0);
    }

    [Fact]
    public void Cpuid_tells_the_size_of_the_save_area_by_what_xcr0_enables()
    {
        _bench.Machine.Start();
        Xsetbv(1);
        Assert.Equal(576UL, SaveAreaSize());
        Xsetbv(3);
        Assert.Equal(576UL, SaveAreaSize());
        Xsetbv(7);
        Assert.Equal(832UL, SaveAreaSize());

        ulong SaveAreaSize() => Cpuid(0xD).Rbx;
    }

    [Fact]
    public void Every_exit_is_counted_by_reason()
    {
        _bench.Machine.Start();
        for (int i = 0; i < 40; i++)
        {
            Processor.RunExit(Io(VmExitAccess.Write, 0x80, 1));
        }

        Cpuid(0);
        VirtualMachineStatistics statistics = _bench.Machine.Statistics;
        Assert.Equal((ExitReason.IoInstruction, 40L), (statistics.Exits[0].Reason, statistics.Exits[0].Count));
        Assert.True(statistics.Exits[0].Time > TimeSpan.Zero);
        Assert.Equal(40, statistics.UnansweredPortAccesses);
    }

    [Fact]
    public void A_faulted_device_stops_the_vm_where_the_policy_says_so()
    {
        using var bench = new TestBench(new VirtualMachineOptions { OnFault = FaultPolicy.Stop });
        DeviceContext context = bench.AddDevice("bad", _ => new TestDevice());
        context.Ports.Claim("bad", 0x10, 1, AccessWidths.Byte, new TestDevice { OnRead = (_, _) => throw new InvalidOperationException("boom") });
        bench.Machine.Start();
        bench.Processor.RunExit(Io(VmExitAccess.Read, 0x10, 1));
        Assert.Contains("boom", Assert.IsType<VmOutcome.Faulted>(bench.WaitForEnd()).Message);
    }

    [Fact]
    public void A_faulted_device_pauses_the_vm_where_the_policy_says_so()
    {
        using var bench = new TestBench(new VirtualMachineOptions { OnFault = FaultPolicy.Pause });
        DeviceContext context = bench.AddDevice("bad", _ => new TestDevice());
        context.Ports.Claim("bad", 0x10, 1, AccessWidths.Byte, new TestDevice { OnRead = (_, _) => throw new InvalidOperationException("boom") });
        bench.Machine.Start();
        bench.Processor.RunExit(Io(VmExitAccess.Read, 0x10, 1));
        Assert.True(SpinWait.SpinUntil(() => bench.Machine.State == VirtualMachineState.Paused, 20_000));
        bench.Machine.Resume();
        bench.Processor.RunExit(Kick);
    }

    [Fact]
    public void Posted_work_runs_under_the_gate_and_only_while_the_vm_runs()
    {
        using var ran = new ManualResetEventSlim();
        DeviceContext context = _bench.AddDevice("d", _ => new TestDevice());
        bool underGate = false;
        context.Post(() =>
        {
            underGate = context.Instance.Gate.IsHeldByCurrentThread;
            ran.Set();
        });
        Assert.False(ran.IsSet);
        _bench.Machine.Start();
        Assert.True(ran.Wait(20_000));
        Assert.True(underGate);
    }

    private static ExitDisposition Note(List<string> calls, string name, ExitDisposition disposition)
    {
        calls.Add(name);
        return disposition;
    }

    private static VmExit Io(VmExitAccess access, ushort port, byte width) => new()
    {
        Reason = ExitReason.IoInstruction, Access = access, Port = port, Width = width, InstructionLength = 2,
    };

    private static VmExit Mmio(VmExitAccess access, ulong address, byte width, ulong data = 0) => new()
    {
        Reason = ExitReason.EptViolation, Access = access, GuestPhysicalAddress = address, Width = width, Data = data,
    };

    private void Claim(ushort port, TestDevice device) =>
        _bench.AddDevice("d", _ => device).Ports.Claim("d", port, 1, AccessWidths.Byte, device);

    private GuestRegisters Cpuid(uint leaf)
    {
        Processor.Registers.Rax = leaf;
        Processor.Registers.Rcx = 0;
        Processor.RunExit(new VmExit { Reason = ExitReason.Cpuid, InstructionLength = 2 });
        return Processor.Registers;
    }

    private ScriptedExit Msr(ExitReason reason, uint index, ulong value = 0)
    {
        Processor.Registers.Rcx = index;
        Processor.Registers.Rax = (uint)value;
        Processor.Registers.Rdx = value >> 32;
        return Processor.RunExit(new VmExit { Reason = reason, InstructionLength = 2 });
    }

    private ScriptedExit Xsetbv(ulong value)
    {
        Processor.Registers.Rcx = 0;
        Processor.Registers.Rax = (uint)value;
        Processor.Registers.Rdx = value >> 32;
        return Processor.RunExit(new VmExit { Reason = ExitReason.Xsetbv, InstructionLength = 3 });
    }

    private bool Window(PrimaryProcessorBasedControls control) => (Processor[VmcsField.PrimaryProcessorBasedControls] & (ulong)control) != 0;

    /// <summary>Whether an interrupt was the last event that entered the guest.</summary>
    private bool WasInjected(byte vector) => (byte)Processor[VmcsField.EntryInterruptionInformation] == vector;

    private void StartWithInterrupts(bool enabled, Action? beforeStart = null)
    {
        beforeStart?.Invoke();
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Processor[VmcsField.GuestRflags] = enabled ? (ulong)RflagsBits.If : 0;
        Processor.RunExit(Mmio(VmExitAccess.Write, 0xFEE0_00F0, 4, 0x1FF));
    }

    private delegate void Adjustment(ref CpuidResult result);

    private delegate ExitDisposition Handling(ref ExitFrame frame);

    private sealed class CpuidHandler(uint leaf, Adjustment adjust) : ICpuidHandler
    {
        public IReadOnlyCollection<CpuidRange> CpuidRanges { get; } = [new("test", leaf, leaf)];

        public void Adjust(IVirtualProcessor vcpu, uint leaf, uint subleaf, ref CpuidResult result) => adjust(ref result);
    }

    private sealed class MsrHandler(string name, uint index) : IMsrHandler
    {
        private ulong _value;

        public IReadOnlyCollection<MsrRange> MsrRanges { get; } = [new(name, index, index)];

        public bool Read(IVirtualProcessor vcpu, uint index, out ulong value)
        {
            value = _value;
            return true;
        }

        public bool Write(IVirtualProcessor vcpu, uint index, ulong value)
        {
            _value = value;
            return true;
        }
    }

    private sealed class Handler(ExitReason reason, Handling handle) : IExitHandler
    {
        public IReadOnlyCollection<ExitReason> Reasons { get; } = [reason];

        public ExitDisposition OnExit(ref ExitFrame frame) => handle(ref frame);
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
