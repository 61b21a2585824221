namespace Vmm.Kernel.Tests;

public sealed class LifecycleTests
{
    private static readonly VmExit Out80 = new() { Reason = ExitReason.IoInstruction, Access = VmExitAccess.Write, Width = 1, Port = 0x80, Data = 0x42, InstructionLength = 2 };

    [Fact]
    public void A_processor_goes_through_vmxon_vmclear_vmptrld_vmlaunch_and_vmresume()
    {
        using var bench = new TestBench();
        bench.Machine.Start();
        bench.Processor.RunExit(Out80);
        bench.Machine.Pause();
        bench.Machine.Resume();
        bench.Processor.RunExit(Out80);
        bench.Machine.Stop();

        Assert.Equal(["VMXON", "VMCLEAR", "VMPTRLD", "VMLAUNCH", "VMRESUME"], bench.Processor.Instructions.Take(5));
    }

    [Fact]
    public void A_power_off_by_a_device_ends_the_vm_before_the_next_instruction()
    {
        using var bench = new TestBench();
        bench.AddDevice("pm", context => Claim(context, 0x604, new TestDevice { OnWrite = (_, _, _) => bench.Machine.Power.PowerOff() }));
        bench.Machine.AttachDevices();
        bench.Machine.Start();
        ScriptedExit exit = bench.Processor.RunExit(Out80 with { Port = 0x604 });

        Assert.Equal(VmExitAction.Leave, exit.Action);
        Assert.True(exit.Exit.CompleteFirst);
        Assert.IsType<VmOutcome.PoweredOff>(bench.WaitForEnd());
    }

    [Fact]
    public void An_exit_status_of_a_device_becomes_the_outcome()
    {
        using var bench = new TestBench();
        bench.Machine.Start();
        bench.Machine.Power.Exit(85);
        Assert.Equal(new VmOutcome.Exit(85), bench.WaitForEnd());
    }

    [Fact]
    public void A_triple_fault_ends_the_vm_when_it_must_not_reboot()
    {
        using var bench = new TestBench(new VirtualMachineOptions { NoReboot = true });
        bench.Machine.Start();
        bench.Processor.RunExit(new VmExit { Reason = ExitReason.TripleFault });
        Assert.IsType<VmOutcome.TripleFault>(bench.WaitForEnd());
    }

    [Fact]
    public void A_reset_boots_again_with_devices_reset()
    {
        using var bench = new TestBench();
        var resets = new List<ResetKind>();
        int boots = 0;
        using var booted = new ManualResetEventSlim();
        bench.AddDevice("d", _ => new TestDevice { OnReset = resets.Add });
        bench.Machine.AttachDevices();
        bench.Machine.Boot = vm =>
        {
            vm.SetProcessorState(0, new ProcessorState { Rip = 0x1000 });
            if (++boots == 2)
            {
                booted.Set();
            }
        };
        bench.Machine.Start();
        bench.Processor.RunExit(new VmExit { Reason = ExitReason.TripleFault });

        Assert.True(booted.Wait(TimeSpan.FromSeconds(20)));
        bench.Processor.RunExit(Out80);
        Assert.Equal([ResetKind.PowerOn, ResetKind.System], resets);
        Assert.Equal(VirtualMachineState.Running, bench.Machine.State);
    }

    [Fact]
    public void An_event_that_waited_for_the_guest_does_not_survive_a_reset()
    {
        using var bench = new TestBench();
        using var booted = new ManualResetEventSlim();
        int boots = 0;
        bench.AddDevice("reset", context => Claim(context, 0x92, new TestDevice
        {
            OnWrite = (_, _, _) =>
            {
                bench.Processor[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Nmi.Value;
                bench.Machine.Power.Reset();
            },
        }));
        bench.Machine.AttachDevices();
        bench.Machine.Boot = vm =>
        {
            vm.SetProcessorState(0, new ProcessorState { Rip = 0x1000 });
            if (++boots == 2)
            {
                booted.Set();
            }
        };
        bench.Machine.Start();
        bench.Processor.RunExit(Out80 with { Port = 0x92 });
        Assert.True(booted.Wait(TimeSpan.FromSeconds(20)));
        Assert.Equal(VmExitAction.Complete, bench.Processor.RunExit(Out80).Action);
        Assert.Equal(0UL, bench.Processor[VmcsField.EntryInterruptionInformation]);
    }

    [Fact]
    public void An_unexpected_exit_stops_the_vm_with_a_message()
    {
        using var bench = new TestBench();
        bench.Machine.Start();
        bench.Processor.RunExit(new VmExit { Reason = ExitReason.EntryFailureGuestState, EntryFailure = true });
        var faulted = Assert.IsType<VmOutcome.Faulted>(bench.WaitForEnd());
        Assert.Contains("EntryFailureGuestState", faulted.Message);
    }

    [Fact]
    public void Virtual_time_stands_still_while_paused()
    {
        using var bench = new TestBench();
        bench.Machine.Start();
        bench.Machine.Pause();
        long before = bench.Machine.Clock.NowNanoseconds;
        SpinWait.SpinUntil(() => false, 2);
        Assert.Equal(before, bench.Machine.Clock.NowNanoseconds);
        bench.Machine.Resume();
        Assert.True(SpinWait.SpinUntil(() => bench.Machine.Clock.NowNanoseconds > before, 5000));
    }

    [Fact]
    public void Two_machines_in_one_process_share_a_pool_and_nothing_else()
    {
        var log = new RecordingLog();
        using var pool = new CpuPool("shared", 2, log);
        using var first = new TestBench(new VirtualMachineOptions { Id = 1, Name = "one" }, pool);
        using var second = new TestBench(new VirtualMachineOptions { Id = 2, Name = "two" }, pool);
        var firstPort = new TestDevice();
        var secondPort = new TestDevice();
        first.AddDevice("port", context => Claim(context, 0x80, firstPort));
        second.AddDevice("port", context => Claim(context, 0x80, secondPort));
        first.Machine.AttachDevices();
        second.Machine.AttachDevices();
        first.Machine.Start();
        second.Machine.Start();

        first.Processor.RunExit(Out80 with { Data = 1 });
        second.Processor.RunExit(Out80 with { Data = 2 });
        first.Machine.Stop();
        second.Processor.RunExit(Out80 with { Data = 3 });

        Assert.Equal(["w1@0=1"], firstPort.Accesses);
        Assert.Equal(["w1@0=2", "w1@0=3"], secondPort.Accesses);
    }

    private static TestDevice Claim(DeviceContext context, ushort port, TestDevice device)
    {
        context.Ports.Claim("registers", port, 1, AccessWidths.Byte, device);
        return device;
    }
}
