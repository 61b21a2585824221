using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>NMIs, virtual and not (SDM Vol. 3C 25.6.1, 26.3, 27.6.1.1).</summary>
public sealed class NmiTests
{
    private const ulong Blocked = (ulong)InterruptibilityState.BlockingByNmi;

    [Theory]
    [SetsControl(PinBasedControls.NmiExiting)]
    [ClearsControl(PinBasedControls.NmiExiting, PinBasedControls.VirtualNmis)]
    [InlineData(PinBasedControls.None, false)]
    [InlineData(PinBasedControls.NmiExiting, true)]
    [InlineData(PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis, false)]
    public void An_injected_NMI_blocks_NMIs_and_IRET_ends_that_unless_they_exit_and_are_not_virtual(PinBasedControls controls, bool remains)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Clear(PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis);
        machine.Set(controls);
        machine.Gate(2);
        ulong inHandler = 0;
        machine.Fill(VmxMachine.Handler, a =>
        {
            a.vmcall();
            a.iretq();
        });
        machine.Respond = (m, ref _) =>
        {
            inHandler = m[VmcsField.GuestInterruptibilityState];
            return VmExitAction.NextInstruction;
        };
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Create(InterruptionType.Nmi, 2).Value;
        machine.Launch(a => a.nop());
        Assert.Equal([ExitReason.Vmcall, ExitReason.Hlt], machine.Reasons);
        Assert.Equal(Blocked, inHandler);
        Assert.Equal(remains ? Blocked : 0, machine[VmcsField.GuestInterruptibilityState]);
    }

    [Theory]
    [SetsControl(PinBasedControls.VirtualNmis)]
    [InlineData(true, ExitReason.EntryFailureGuestState)]
    [InlineData(false, ExitReason.Hlt)]
    public void A_virtual_NMI_cannot_be_injected_while_virtual_NMIs_are_blocked(bool isVirtual, ExitReason reason)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PinBasedControls.NmiExiting | (isVirtual ? PinBasedControls.VirtualNmis : PinBasedControls.None));
        machine.Gate(2);
        machine[VmcsField.GuestInterruptibilityState] = Blocked;
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Create(InterruptionType.Nmi, 2).Value;
        machine.Launch(a => a.nop());
        Assert.Equal(reason, machine.Last.Reason);
    }

    [Theory]
    [SetsControl(PrimaryProcessorBasedControls.NmiWindowExiting)]
    [ClearsControl(PrimaryProcessorBasedControls.NmiWindowExiting)]
    [InlineData(true, ExitReason.NmiWindow)]
    [InlineData(false, ExitReason.Hlt)]
    public void The_NMI_window_exits_before_any_instruction_when_it_is_open(bool exits, ExitReason reason)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis);
        if (exits)
        {
            machine.Set(PrimaryProcessorBasedControls.NmiWindowExiting);
        }

        machine.Launch(a => a.inc(ebx));
        Assert.Equal(reason, machine.Last.Reason);
        Assert.Equal(exits ? 0UL : 1, machine.Processor.Registers.Rbx);
    }

    [Fact]
    public void An_IRET_that_faults_has_ended_the_blocking_and_the_exit_says_so()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis);
        machine[VmcsField.ExceptionBitmap] = 1 << 13;
        machine[VmcsField.GuestInterruptibilityState] = Blocked;
        machine.Launch(a =>
        {
            a.push(0x10);
            a.push(0x8000);
            a.push(2);
            a.push(0); // a null selector for CS
            a.push(0);
            a.iretq();
        });
        Assert.Equal(ExitReason.ExceptionOrNmi, machine.Last.Reason);
        Assert.Equal(InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection).WithNmiUnblocking().Value, machine.Last.InterruptionInformation);
        Assert.Equal(0UL, machine[VmcsField.GuestInterruptibilityState]);
    }
}
