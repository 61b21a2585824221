namespace Vmm.Kernel.Tests;

/// <summary>Accesses to ports and memory, and what becomes of them.</summary>
public sealed class ExitTests : ExitTest
{
    [Fact]
    public void A_port_read_puts_the_devices_value_in_the_exit()
    {
        Claim(0x60, new TestDevice { OnRead = (_, _) => 0x1AB });
        Bench.Machine.Start();
        ScriptedExit exit = Processor.RunExit(Io(VmExitAccess.Read, 0x60, 1));
        Assert.Equal(VmExitAction.Complete, exit.Action);
        Assert.Equal(0xABUL, exit.Exit.Data);
    }

    [Fact]
    public void An_ept_violation_without_memory_or_device_reads_as_all_ones()
    {
        Bench.Machine.Start();
        ScriptedExit exit = Processor.RunExit(Mmio(VmExitAccess.Read, 0xC000_0000, 4));
        Assert.Equal(VmExitAction.Complete, exit.Action);
        Assert.Equal(0xFFFF_FFFFUL, exit.Exit.Data);
    }

    [Fact]
    public void The_xapic_page_answers_before_the_memory_mapped_devices()
    {
        Bench.Machine.Start();
        Assert.Equal(0x0005_0014UL, Processor.RunExit(Mmio(VmExitAccess.Read, 0xFEE0_0030, 4)).Exit.Data);
    }

    [Fact]
    public void A_write_to_rom_vanishes_without_a_word()
    {
        Bench.Memory.AddRom("bios", 0xFFFF_0000, new byte[0x10000]);
        Bench.Machine.Start();
        Assert.Equal(VmExitAction.Complete, Processor.RunExit(Mmio(VmExitAccess.Write, 0xFFFF_0010, 1)).Action);
        Assert.Equal(0, Bench.Machine.Mmio.Unanswered);
    }

    [Fact]
    public void Code_fetched_from_nowhere_is_an_invalid_opcode()
    {
        Bench.Machine.Start();
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
        Bench.Machine.Start();
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
    public void Every_exit_is_counted_by_reason()
    {
        Bench.Machine.Start();
        for (int i = 0; i < 40; i++)
        {
            Processor.RunExit(Io(VmExitAccess.Write, 0x80, 1));
        }

        Cpuid(0);
        VirtualMachineStatistics statistics = Bench.Machine.Statistics;
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
        DeviceContext context = Bench.AddDevice("d", _ => new TestDevice());
        bool underGate = false;
        context.Post(() =>
        {
            underGate = context.Instance.Gate.IsHeldByCurrentThread;
            ran.Set();
        });
        Assert.False(ran.IsSet);
        Bench.Machine.Start();
        Assert.True(ran.Wait(20_000));
        Assert.True(underGate);
    }
}
