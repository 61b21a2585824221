using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Vmx;

public sealed class PortExitTests
{
    [Fact]
    public void An_out_carries_its_data_and_goes_on()
    {
        using VmxMachine machine = Unconditional();
        machine.Respond = (_, ref _) => VmExitAction.Complete;
        machine.Launch(a =>
        {
            a.mov(eax, 0x12345678);
            a.mov(dx, 0x3F8);
            a.@out(dx, ax);
            a.mov(ebx, 7);
        });
        VmExit exit = machine.Exits[0];
        Assert.Equal(ExitReason.IoInstruction, exit.Reason);
        Assert.Equal(0x3F8, exit.Port);
        Assert.Equal(2, exit.Width);
        Assert.Equal(VmExitAccess.Write, exit.Access);
        Assert.Equal(0x5678UL, exit.Data);
        Assert.Equal(IoQualification.Create(0x3F8, 2, isIn: false).Value, exit.Qualification);
        Assert.Equal(7UL, machine.Processor.Registers.Rbx);
    }

    [Fact]
    public void An_in_takes_what_the_sink_puts_there_and_keeps_the_rest_of_the_register()
    {
        using VmxMachine machine = Unconditional();
        machine.Respond = (_, ref exit) =>
        {
            exit.Data = 0xAB;
            return VmExitAction.Complete;
        };
        machine.Launch(a =>
        {
            a.mov(rax, 0x1122334455667788L);
            a.@in(al, 0x60);
        });
        Assert.Equal(IoQualification.Create(0x60, 1, isIn: true, isImmediate: true).Value, machine.Exits[0].Qualification);
        Assert.Equal(0x11223344556677ABUL, machine.Processor.Registers.Rax);
    }

    [Fact]
    public void An_access_completed_first_is_not_made_again_after_leaving()
    {
        using VmxMachine machine = Unconditional();
        machine.Respond = (_, ref exit) =>
        {
            exit.Data = 0x55;
            exit.CompleteFirst = true;
            return VmExitAction.Leave;
        };
        machine.Launch(a => a.@in(al, dx));
        Assert.Equal(0x55UL, machine.Processor.Registers.Rax);
        Assert.True(machine.Processor.VmResume(machine).IsSuccess);
        Assert.Equal([ExitReason.IoInstruction, ExitReason.Hlt], machine.Exits.Select(exit => exit.Reason));
    }

    [Fact]
    public void A_repeated_outs_is_one_exit_an_element()
    {
        using VmxMachine machine = Unconditional();
        machine.Respond = (_, ref _) => VmExitAction.Complete;
        new byte[] { 1, 2, 3 }.CopyTo(machine.Memory.Bytes[(int)VmxMachine.Data..]);
        machine.Launch(a =>
        {
            a.mov(rsi, VmxMachine.Data);
            a.mov(ecx, 3);
            a.mov(dx, 0x80);
            a.rep.outsb();
        });
        Assert.Equal([1UL, 2UL, 3UL], machine.Exits.SkipLast(1).Select(exit => exit.Data));
        Assert.All(machine.Exits.SkipLast(1), exit => Assert.Equal(
            IoQualification.Create(0x80, 1, isIn: false, isString: true, isRep: true).Value, exit.Qualification));
        Assert.Equal(VmxMachine.Data + 1, machine.Exits[1].GuestLinearAddress);
        Assert.Equal(0UL, machine.Processor.Registers.Rcx);
        Assert.Equal(VmxMachine.Data + 3, machine.Processor.Registers.Rsi);
    }

    [Fact]
    public void A_repeated_ins_fills_memory()
    {
        using VmxMachine machine = Unconditional();
        ulong next = 0xA0;
        machine.Respond = (_, ref exit) =>
        {
            exit.Data = next++;
            return VmExitAction.Complete;
        };
        machine.Launch(a =>
        {
            a.mov(rdi, VmxMachine.Data);
            a.mov(ecx, 4);
            a.rep.insw();
        });
        Assert.Equal(0xA3, machine.Memory.Bytes[(int)VmxMachine.Data + 6]);
        Assert.Equal(5, machine.Exits.Count);
    }

    [Fact]
    public void Io_bitmaps_choose_the_ports_that_exit()
    {
        using VmxMachine machine = new VmxMachine().Start();
        HostPage a0 = machine.AllocatePage();
        HostPage b0 = machine.AllocatePage();
        a0.Memory.Span[0x61 >> 3] = 1 << (0x61 & 7);
        b0.Memory.Span[0] = 1;
        machine[VmcsField.IoBitmapAAddress] = a0.PhysicalAddress;
        machine[VmcsField.IoBitmapBAddress] = b0.PhysicalAddress;
        machine.Set(PrimaryProcessorBasedControls.UseIoBitmaps);
        machine.Respond = (_, ref _) => VmExitAction.Complete;
        machine.Launch(a =>
        {
            a.@out(0x62, al);
            a.@out(0x60, ax); // touches 0x61
            a.mov(dx, 0x8000);
            a.@out(dx, al);
            a.mov(dx, 0xFFFF);
            a.@out(dx, ax); // wraps
        });
        Assert.Equal([0x60, 0x8000, 0xFFFF], machine.Exits.SkipLast(1).Select(exit => (int)exit.Port));
    }

    private static VmxMachine Unconditional()
    {
        VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.UnconditionalIoExiting);
        return machine;
    }
}
