using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Vmx;

public sealed class EventExitTests
{
    [Fact]
    public void The_exception_bitmap_turns_an_exception_into_an_exit()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.ExceptionBitmap] = 1 << 6;
        machine.Launch(a => a.ud2());
        Assert.Equal(ExitReason.ExceptionOrNmi, machine.Last.Reason);
        Assert.Equal(InterruptionInformation.HardwareException(ExceptionVector.InvalidOpcode).Value, machine.Last.InterruptionInformation);
        Assert.Equal(VmxMachine.Code, machine[VmcsField.GuestRip]);
    }

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(2, 2, true)]
    [InlineData(2, 0, false)]
    public void Page_faults_exit_by_mask_and_match(int mask, int match, bool exits)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.ExceptionBitmap] = 1 << 14;
        machine[VmcsField.PageFaultErrorCodeMask] = (ulong)mask;
        machine[VmcsField.PageFaultErrorCodeMatch] = (ulong)match;
        machine.Gate(14);
        machine.Launch(a =>
        {
            a.mov(rbx, 0x4000_0000L);
            a.mov(__byte_ptr[rbx], 1);
        });
        Assert.Equal(exits ? ExitReason.ExceptionOrNmi : ExitReason.Hlt, machine.Last.Reason);
        if (exits)
        {
            Assert.Equal(0x4000_0000UL, machine.Last.Qualification);
            Assert.Equal(2u, machine.Last.InterruptionErrorCode);
            Assert.Equal(0UL, machine.Processor.Cr2);
        }
        else
        {
            Assert.Equal(0x4000_0000UL, machine.Processor.Cr2);
            Assert.Equal(2UL, machine.Stack(0));
        }
    }

    [Fact]
    public void A_triple_fault_exits_with_reason_2()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.GuestIdtrLimit] = 0;
        machine.Launch(a => a.ud2());
        Assert.Equal(ExitReason.TripleFault, machine.Last.Reason);
        Assert.Equal(VmxMachine.Code, machine[VmcsField.GuestRip]);
    }

    [Fact]
    public void An_injected_interrupt_runs_the_handler_before_any_instruction()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Gate(0x40);
        machine[VmcsField.GuestRflags] = (ulong)(RflagsBits.Fixed1 | RflagsBits.If);
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.ExternalInterrupt(0x40).Value;
        machine.Launch(a => a.ud2());
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
        Assert.Equal(VmxMachine.Handler, machine[VmcsField.GuestRip]);
        Assert.Equal(VmxMachine.Code, machine.Stack(0));
        Assert.Equal(8UL, machine.Stack(1));
        Assert.Equal((ulong)(RflagsBits.Fixed1 | RflagsBits.If), machine.Stack(2));
        Assert.Equal(0UL, machine[VmcsField.GuestRflags] & (ulong)RflagsBits.If);
        Assert.Equal(0UL, machine[VmcsField.EntryInterruptionInformation] >> 31);
    }

    [Fact]
    public void An_injected_exception_pushes_the_error_code_of_the_entry()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Gate(13);
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection).Value;
        machine[VmcsField.EntryExceptionErrorCode] = 0x18;
        machine.Launch(_ => { });
        Assert.Equal(0x18UL, machine.Stack(0));
        Assert.Equal(VmxMachine.Code, machine.Stack(1));
    }

    [Fact]
    public void An_injected_software_interrupt_returns_behind_its_instruction()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Gate(0x80);
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Create(InterruptionType.SoftwareInterrupt, 0x80).Value;
        machine[VmcsField.EntryInstructionLength] = 2;
        machine.Launch(_ => { });
        Assert.Equal(VmxMachine.Code + 2, machine.Stack(0));
    }

    [Fact]
    public void An_exit_during_delivery_names_the_event_in_its_idt_vectoring_information()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.ExceptionBitmap] = 1 << 13;
        machine[VmcsField.GuestRflags] = (ulong)(RflagsBits.Fixed1 | RflagsBits.If);
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.ExternalInterrupt(0x40).Value;
        machine.Launch(_ => { });
        Assert.Equal(ExitReason.ExceptionOrNmi, machine.Last.Reason);
        Assert.Equal((0x40u << 3) | 3, machine.Last.InterruptionErrorCode);
        Assert.Equal(InterruptionInformation.ExternalInterrupt(0x40).Value, (uint)machine[VmcsField.IdtVectoringInformation]);
    }

    [Fact]
    [SetsControl(PrimaryProcessorBasedControls.InterruptWindowExiting)]
    public void The_interrupt_window_opens_one_instruction_after_sti()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.InterruptWindowExiting);
        machine.Respond = (m, ref _) =>
        {
            m.Clear(PrimaryProcessorBasedControls.InterruptWindowExiting);
            return VmExitAction.Resume;
        };
        machine.Launch(a =>
        {
            a.nop();
            a.sti();
            a.inc(ebx);
            a.inc(ebx);
        });
        Assert.Equal([ExitReason.InterruptWindow, ExitReason.Hlt], machine.Exits.Select(exit => exit.Reason));
        Assert.Equal(2UL, machine.Processor.Registers.Rbx);
    }

    [Fact]
    [ClearsControl(PrimaryProcessorBasedControls.InterruptWindowExiting)]
    public void Without_its_control_an_open_interrupt_window_does_not_exit()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Launch(a =>
        {
            a.sti();
            a.nop();
        });
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
    }

    [Fact]
    public void The_interrupt_window_exit_comes_at_the_instruction_behind_the_shadow()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.InterruptWindowExiting);
        machine.Launch(a =>
        {
            a.sti();
            a.inc(ebx);
            a.inc(ebx);
        });
        Assert.Equal(ExitReason.InterruptWindow, machine.Last.Reason);
        Assert.Equal(1UL, machine.Processor.Registers.Rbx);
    }

    [Fact]
    public void The_interrupt_window_opens_behind_a_nop_in_the_shadow_of_sti()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.InterruptWindowExiting);
        machine.Launch(a =>
        {
            a.sti();
            a.nop();
            a.inc(ebx);
        });
        Assert.Equal(ExitReason.InterruptWindow, machine.Last.Reason);
        Assert.Equal(0UL, machine.Processor.Registers.Rbx);
        Assert.Equal(0UL, machine[VmcsField.GuestInterruptibilityState]);
    }

    [Fact]
    public void The_interrupt_window_opens_with_sysret()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.InterruptWindowExiting);
        machine[VmcsField.GuestIa32Efer] |= (ulong)EferBits.Sce;
        machine.Launch(a =>
        {
            Iced.Intel.Label behind = a.CreateLabel();
            a.lea(rcx, __[behind]);
            a.mov(r11d, (int)(RflagsBits.Fixed1 | RflagsBits.If));
            a.sysretq();
            a.Label(ref behind);
            a.inc(ebx);
        });
        Assert.Equal(ExitReason.InterruptWindow, machine.Last.Reason);
        Assert.Equal(0UL, machine.Processor.Registers.Rbx);
    }

    [Fact]
    public void The_nmi_window_opens_with_iret()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis);
        machine.Set(PrimaryProcessorBasedControls.NmiWindowExiting);
        machine[VmcsField.GuestInterruptibilityState] = (ulong)InterruptibilityState.BlockingByNmi;
        machine.Launch(a =>
        {
            Iced.Intel.Label behind = a.CreateLabel();
            a.mov(rax, rsp);
            a.push(0x10);
            a.push(rax);
            a.pushfq();
            a.push(8);
            a.lea(rcx, __[behind]);
            a.push(rcx);
            a.iretq();
            a.Label(ref behind);
            a.inc(ebx);
        });
        Assert.Equal(ExitReason.NmiWindow, machine.Last.Reason);
        Assert.Equal(0UL, machine.Processor.Registers.Rbx);
        Assert.Equal(0UL, machine[VmcsField.GuestInterruptibilityState]);
    }

    [Fact]
    public void A_kick_before_the_entry_exits_before_any_instruction()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Processor.Kick();
        machine.Launch(a => a.ud2());
        Assert.Equal(ExitReason.ExternalInterrupt, machine.Last.Reason);
        Assert.Equal(0u, machine.Last.InterruptionInformation);
    }

    [Fact]
    public void A_kick_wakes_a_guest_in_the_hlt_state()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.GuestActivityState] = (ulong)ActivityState.Hlt;
        using Timer kick = new(_ => machine.Processor.Kick(), null, 20, Timeout.Infinite);
        machine.Launch(_ => { });
        Assert.Equal(ExitReason.ExternalInterrupt, machine.Last.Reason);
        Assert.Equal((ulong)ActivityState.Hlt, machine[VmcsField.GuestActivityState]);
    }

    [Fact]
    public void A_kick_after_disposal_does_nothing()
    {
        VmxMachine machine = new VmxMachine().Start();
        machine.Dispose();
        machine.Processor.Kick();
        Assert.Empty(machine.Exits);
    }

    [Fact]
    public void An_access_beyond_memory_is_an_ept_violation_with_data()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Respond = (_, ref exit) =>
        {
            exit.Data = exit.Access == VmExitAccess.Read ? 0x77 : exit.Data;
            return VmExitAction.Complete;
        };
        machine.Launch(a =>
        {
            a.mov(rbx, 0x1000_0010L);
            a.mov(__dword_ptr[rbx], 0x1234);
            a.mov(ecx, __dword_ptr[rbx + 4]);
        });
        Assert.Equal(ExitReason.EptViolation, machine.Exits[0].Reason);
        Assert.Equal(0x1000_0010UL, machine.Exits[0].GuestPhysicalAddress);
        Assert.Equal(0x1234UL, machine.Exits[0].Data);
        Assert.Equal(VmExitAccess.Write, machine.Exits[0].Access);
        Assert.Equal(0x1000_0014UL, machine.Exits[1].GuestPhysicalAddress);
        Assert.Equal(0x77UL, machine.Processor.Registers.Rcx);
    }

    [Fact]
    public void A_sink_that_leaves_with_an_access_completed_leaves_right_after_its_instruction()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Respond = (_, ref exit) =>
        {
            exit.Data = 0x77;
            exit.CompleteFirst = true;
            return VmExitAction.Leave;
        };
        machine.Launch(a =>
        {
            a.mov(rbx, 0x1000_0010L);
            a.mov(ecx, __dword_ptr[rbx]);
            a.inc(edx);
            a.inc(edx);
        });
        Assert.Equal(ExitReason.EptViolation, Assert.Single(machine.Exits).Reason);
        Assert.Equal(0x77UL, machine.Processor.Registers.Rcx);
        Assert.Equal(0UL, machine.Processor.Registers.Rdx);
        Assert.Equal(VmxMachine.Code + 12, machine[VmcsField.GuestRip]);
        Assert.True(machine.Processor.VmResume(machine).IsSuccess);
        Assert.Equal([ExitReason.EptViolation, ExitReason.Hlt], machine.Reasons);
        Assert.Equal(2UL, machine.Processor.Registers.Rdx);
    }

    [Fact]
    public void A_task_switch_exits_with_reason_9()
    {
        using VmxMachine machine = new VmxMachine(bitness: 32).Start();
        machine.Launch(a => a.jmp(0x28, 0u));
        Assert.Equal(ExitReason.TaskSwitch, machine.Last.Reason);
        Assert.Equal(TaskSwitchQualification.Create(0x28, TaskSwitchSource.Jmp).Value, machine.Last.Qualification);
        Assert.Equal(VmxMachine.Code, machine[VmcsField.GuestRip]);
    }
}
