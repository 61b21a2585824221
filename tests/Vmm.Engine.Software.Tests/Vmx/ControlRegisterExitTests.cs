using Iced.Intel;
using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>Exits of accesses to control registers (SDM Vol. 3C 25.6.6, 25.6.7, 26.1.3).</summary>
public sealed class ControlRegisterExitTests
{
    private const Cr0Bits Loadable = Cr0Bits.Pe | Cr0Bits.Mp | Cr0Bits.Em | Cr0Bits.Ts;

    [Fact]
    public void Control_register_reads_show_the_shadow_and_writes_of_host_bits_exit()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.Cr4GuestHostMask] = (ulong)Cr4Bits.Vmxe;
        machine[VmcsField.Cr4ReadShadow] = 0;
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        machine.Launch(a =>
        {
            a.mov(rbx, cr4);
            a.mov(rax, rbx);
            a.or(rax, (int)Cr4Bits.Pge);
            a.mov(cr4, rax);
            a.or(rax, (int)Cr4Bits.Vmxe);
            a.mov(cr4, rax);
        });
        Assert.Equal(0UL, machine.Processor.Registers.Rbx & (ulong)Cr4Bits.Vmxe);
        Assert.Equal([ExitReason.ControlRegisterAccess, ExitReason.Hlt], machine.Exits.Select(exit => exit.Reason));
        Assert.Equal(ControlRegisterQualification.MovTo(4, 0).Value, machine.Exits[0].Qualification);
        Assert.NotEqual(0UL, machine[VmcsField.GuestCr4] & (ulong)(Cr4Bits.Pge));
        Assert.NotEqual(0UL, machine[VmcsField.GuestCr4] & (ulong)(Cr4Bits.Vmxe));
    }

    [Theory]
    [InlineData(false, false, false, false)] // the guest's own: cleared
    [InlineData(true, false, false, true)] // the host's, clear for the guest: nothing happens
    [InlineData(true, true, true, true)] // the host's, set for the guest: an exit
    public void Clts_exits_by_mask_and_shadow(bool owned, bool visible, bool exits, bool remains)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.GuestCr0] |= (ulong)Cr0Bits.Ts;
        machine[VmcsField.Cr0GuestHostMask] = owned ? (ulong)Cr0Bits.Ts : 0;
        machine[VmcsField.Cr0ReadShadow] = visible ? (ulong)Cr0Bits.Ts : 0;
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        machine.Launch(a => a.clts());
        Assert.Equal(exits ? [ExitReason.ControlRegisterAccess, ExitReason.Hlt] : [ExitReason.Hlt], machine.Reasons);
        Assert.Equal(exits ? ControlRegisterQualification.Clts.Value : 0, machine.Exits[0].Qualification);
        Assert.Equal(remains, (machine[VmcsField.GuestCr0] & (ulong)Cr0Bits.Ts) != 0);
    }

    [Theory]
    [InlineData(Cr0Bits.Ts, Cr0Bits.None, Cr0Bits.Pe, false)]
    [InlineData(Cr0Bits.Ts, Cr0Bits.None, Cr0Bits.Pe | Cr0Bits.Ts, true)]
    [InlineData(Cr0Bits.Ts, Cr0Bits.Ts, Cr0Bits.Pe, true)]
    [InlineData(Cr0Bits.Mp, Cr0Bits.None, Cr0Bits.Pe | Cr0Bits.Em | Cr0Bits.Ts, false)]
    [InlineData(Cr0Bits.Pe, Cr0Bits.None, Cr0Bits.Pe, true)]
    [InlineData(Cr0Bits.Pe, Cr0Bits.Pe, Cr0Bits.None, false)] // LMSW cannot clear PE
    [InlineData(Cr0Bits.Ne, Cr0Bits.None, Cr0Bits.Ne, false)] // nor load any bit above TS
    public void Lmsw_exits_when_it_would_change_a_bit_of_the_hosts(Cr0Bits mask, Cr0Bits shadow, Cr0Bits source, bool exits)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.Cr0GuestHostMask] = (ulong)mask;
        machine[VmcsField.Cr0ReadShadow] = (ulong)shadow;
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        machine.Launch(a =>
        {
            a.mov(eax, (int)source);
            a.lmsw(ax);
        });
        Assert.Equal(exits ? [ExitReason.ControlRegisterAccess, ExitReason.Hlt] : [ExitReason.Hlt], machine.Reasons);
        Assert.Equal(exits ? ControlRegisterQualification.Lmsw((ushort)source, fromMemory: false).Value : 0, machine.Exits[0].Qualification);
    }

    [Fact]
    public void Lmsw_from_memory_exits_with_the_address_of_its_operand()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Memory.Bytes[(int)VmxMachine.Data] = (byte)(Cr0Bits.Ts | Cr0Bits.Pe);
        machine[VmcsField.Cr0GuestHostMask] = (ulong)Loadable;
        machine[VmcsField.Cr0ReadShadow] = (ulong)Cr0Bits.Pe;
        machine.Launch(a => a.lmsw(__word_ptr[VmxMachine.Data]));
        Assert.Equal(ControlRegisterQualification.Lmsw((ushort)(Cr0Bits.Ts | Cr0Bits.Pe), fromMemory: true).Value, machine.Last.Qualification);
        Assert.Equal(VmxMachine.Data, machine.Last.GuestLinearAddress);
    }

    [Fact]
    public void A_bit_of_the_hosts_keeps_its_value_over_a_load_that_does_not_exit()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.GuestCr0] |= (ulong)Cr0Bits.Mp;
        machine[VmcsField.Cr0GuestHostMask] = (ulong)Cr0Bits.Mp;
        machine[VmcsField.Cr0ReadShadow] = 0;
        machine.Launch(a =>
        {
            a.smsw(ebx);
            a.mov(eax, (int)(Cr0Bits.Pe | Cr0Bits.Em));
            a.lmsw(ax);
        });
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
        Assert.Equal(0UL, machine.Processor.Registers.Rbx & (ulong)Cr0Bits.Mp);
        Assert.Equal((ulong)(Cr0Bits.Mp | Cr0Bits.Em), machine[VmcsField.GuestCr0] & (ulong)(Cr0Bits.Mp | Cr0Bits.Em));
    }

    [Theory]
    [SetsControl(PrimaryProcessorBasedControls.Cr3LoadExiting, PrimaryProcessorBasedControls.Cr3StoreExiting)]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(4)]
    public void Loads_of_CR3_exit_unless_the_value_is_one_of_the_targets(int targets)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.Cr3LoadExiting | PrimaryProcessorBasedControls.Cr3StoreExiting);
        machine[VmcsField.Cr3TargetCount] = (ulong)targets;
        ulong first = machine[VmcsField.GuestCr3];
        for (int n = 0; n < 4; n++)
        {
            machine[VmcsField.Cr3TargetValue0 + (ushort)(n * 2)] = first | (ulong)n << 3; // PWT and PCD make the difference
        }

        machine.Respond = (_, ref _) => VmExitAction.Complete;
        machine.Launch(a =>
        {
            a.mov(rbx, cr3);
            for (int n = 0; n < 4; n++)
            {
                a.mov(cr3, rbx);
                a.add(rbx, 8);
            }
        });
        Assert.Equal(
            [ControlRegisterQualification.MovFrom(3, 3).Value, .. Enumerable.Repeat(ControlRegisterQualification.MovTo(3, 3).Value, 4 - targets)],
            machine.Exits.SkipLast(1).Select(exit => exit.Qualification));
    }

    [Fact]
    public void Five_CR3_targets_are_more_than_the_processor_has()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.Cr3TargetCount] = 5;
        Assert.Equal(VmxResult.FailValid(VmInstructionError.EntryInvalidControlFields), machine.Launch(_ => { }));
    }

    [Fact]
    [ClearsControl(PrimaryProcessorBasedControls.Cr3LoadExiting, PrimaryProcessorBasedControls.Cr3StoreExiting)]
    public void Without_their_controls_accesses_to_CR3_do_not_exit()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Clear(PrimaryProcessorBasedControls.Cr3LoadExiting | PrimaryProcessorBasedControls.Cr3StoreExiting);
        machine.Launch(a =>
        {
            a.mov(rax, cr3);
            a.mov(cr3, rax);
        });
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
    }

    [Fact]
    [SetsControl(PrimaryProcessorBasedControls.Cr8LoadExiting)]
    public void A_load_of_CR8_exits_before_its_value_is_checked()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.Cr8LoadExiting);
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        machine.Launch(a =>
        {
            a.mov(r9d, 0x10);
            a.mov(cr8, r9);
        });
        Assert.Equal(ControlRegisterQualification.MovTo(8, 9).Value, machine.Exits[0].Qualification);
        Assert.Equal([ExitReason.ControlRegisterAccess, ExitReason.Hlt], machine.Reasons);
    }

    [Fact]
    [ClearsControl(PrimaryProcessorBasedControls.Cr8LoadExiting)]
    public void Without_its_control_a_load_of_CR8_sets_the_register()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Clear(PrimaryProcessorBasedControls.Cr8LoadExiting);
        machine.Launch(a =>
        {
            a.mov(r9d, 5);
            a.mov(cr8, r9);
            a.mov(rbx, cr8);
        });
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
        Assert.Equal(5UL, machine.Processor.Registers.Rbx);
    }
}
