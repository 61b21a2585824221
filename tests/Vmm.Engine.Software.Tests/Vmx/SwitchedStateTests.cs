using Iced.Intel;
using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>What VM-entry and VM-exit controls load and save (SDM Vol. 3C 27.3.2.1, 28.3.1, 28.5.1).</summary>
public sealed class SwitchedStateTests
{
    private const ulong ResetPat = 0x0007_0406_0007_0406;
    private const ulong FieldPat = 0x0007_0406_0000_0000;
    private const ulong GuestPat = 0x0606_0606_0606_0606;
    private const ulong HostPat = 0x0101_0101_0101_0101;
    private const ulong LongMode = (ulong)(EferBits.Lme | EferBits.Lma);

    [Theory]
    [SetsControl(VmEntryControls.LoadDebugControls)]
    [ClearsControl(VmEntryControls.LoadDebugControls)]
    [InlineData(true, 0x401ul)]
    [InlineData(false, 0x400ul)]
    public void DR7_comes_from_its_field_or_is_the_hosts(bool loads, ulong seen)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.GuestDr7] = 0x401;
        machine.Set(VmEntryControls.LoadDebugControls, loads);
        machine.Launch(a => a.mov(rbx, dr7));
        Assert.Equal(seen, machine.Processor.Registers.Rbx);
    }

    [Theory]
    [SetsControl(VmExitControls.SaveDebugControls)]
    [ClearsControl(VmExitControls.SaveDebugControls)]
    [InlineData(true, 0x404ul)]
    [InlineData(false, 0x401ul)]
    public void DR7_goes_to_its_field_or_is_lost(bool saves, ulong kept)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.GuestDr7] = 0x401;
        machine.Set(VmExitControls.SaveDebugControls, saves);
        machine.Launch(a =>
        {
            a.mov(eax, 0x404);
            a.mov(dr7, rax);
        });
        Assert.Equal(kept, machine[VmcsField.GuestDr7]);
        machine.Resume(a => a.mov(rbx, dr7));
        Assert.Equal(kept, machine.Processor.Registers.Rbx);
    }

    [Theory]
    [SetsControl(VmEntryControls.LoadIa32Pat)]
    [ClearsControl(VmEntryControls.LoadIa32Pat)]
    [InlineData(true, FieldPat)]
    [InlineData(false, ResetPat)]
    public void PAT_comes_from_its_field_or_is_the_hosts(bool loads, ulong seen)
    {
        using VmxMachine machine = WithoutMsrExits();
        machine[VmcsField.GuestIa32Pat] = FieldPat;
        machine.Set(VmEntryControls.LoadIa32Pat, loads);
        machine.Launch(a => Read(a, Msr.Ia32Pat));
        Assert.Equal(seen, machine.Processor.Registers.Rbx);
        Assert.Equal(loads ? FieldPat : ResetPat, machine[VmcsField.GuestIa32Pat]); // saved by the exit
    }

    [Theory]
    [SetsControl(VmExitControls.SaveIa32Pat)]
    [ClearsControl(VmExitControls.SaveIa32Pat)]
    [InlineData(true, GuestPat)]
    [InlineData(false, FieldPat)]
    public void PAT_goes_to_its_field_or_is_lost(bool saves, ulong kept)
    {
        using VmxMachine machine = WithoutMsrExits();
        machine[VmcsField.GuestIa32Pat] = FieldPat;
        machine.Set(VmExitControls.SaveIa32Pat, saves);
        machine.Launch(a => Write(a, Msr.Ia32Pat, GuestPat));
        Assert.Equal(kept, machine[VmcsField.GuestIa32Pat]);
        machine.Resume(a => Read(a, Msr.Ia32Pat));
        Assert.Equal(kept, machine.Processor.Registers.Rbx);
    }

    [Theory]
    [SetsControl(VmExitControls.LoadIa32Pat)]
    [ClearsControl(VmExitControls.LoadIa32Pat)]
    [InlineData(true, HostPat)]
    [InlineData(false, GuestPat)]
    public void The_host_gets_its_own_PAT_or_keeps_the_guests(bool loads, ulong host)
    {
        using VmxMachine machine = WithoutMsrExits();
        machine[VmcsField.HostIa32Pat] = HostPat;
        machine.Set(VmExitControls.LoadIa32Pat, loads);
        machine.Launch(a => Write(a, Msr.Ia32Pat, GuestPat));

        // An entry that does not load it shows the guest what the host has.
        machine.Set(VmEntryControls.LoadIa32Pat, false);
        machine.Resume(a => Read(a, Msr.Ia32Pat));
        Assert.Equal(host, machine.Processor.Registers.Rbx);
    }

    [Theory]
    [SetsControl(VmEntryControls.LoadIa32Efer)]
    [ClearsControl(VmEntryControls.LoadIa32Efer)]
    [InlineData(true, LongMode | (ulong)EferBits.Nxe)]
    [InlineData(false, LongMode)]
    public void EFER_comes_from_its_field_or_is_the_hosts(bool loads, ulong seen)
    {
        using VmxMachine machine = WithoutMsrExits();
        machine[VmcsField.GuestIa32Efer] = LongMode | (ulong)EferBits.Nxe;
        machine.Set(VmEntryControls.LoadIa32Efer, loads);
        machine.Launch(a => Read(a, Msr.Ia32Efer));
        Assert.Equal(seen, machine.Processor.Registers.Rbx);
    }

    [Theory]
    [SetsControl(VmExitControls.SaveIa32Efer)]
    [ClearsControl(VmExitControls.SaveIa32Efer)]
    [InlineData(true, LongMode | (ulong)EferBits.Sce)]
    [InlineData(false, LongMode | (ulong)EferBits.Nxe)]
    public void EFER_goes_to_its_field_or_is_lost(bool saves, ulong kept)
    {
        using VmxMachine machine = WithoutMsrExits();
        machine[VmcsField.GuestIa32Efer] = LongMode | (ulong)EferBits.Nxe;
        machine.Set(VmExitControls.SaveIa32Efer, saves);
        machine.Launch(a => Write(a, Msr.Ia32Efer, LongMode | (ulong)EferBits.Sce));
        Assert.Equal(kept, machine[VmcsField.GuestIa32Efer]);
        machine.Resume(a => Read(a, Msr.Ia32Efer));
        Assert.Equal(kept, machine.Processor.Registers.Rbx);
    }

    [Theory]
    [SetsControl(VmExitControls.LoadIa32Efer)]
    [ClearsControl(VmExitControls.LoadIa32Efer)]
    [InlineData(true, LongMode | (ulong)EferBits.Nxe)]
    [InlineData(false, LongMode | (ulong)EferBits.Sce)]
    public void The_host_gets_its_own_EFER_or_keeps_the_guests(bool loads, ulong host)
    {
        using VmxMachine machine = WithoutMsrExits();
        machine[VmcsField.HostIa32Efer] = LongMode | (ulong)EferBits.Nxe;
        machine.Set(VmExitControls.LoadIa32Efer, loads);
        machine.Launch(a => Write(a, Msr.Ia32Efer, LongMode | (ulong)EferBits.Sce));
        machine.Set(VmEntryControls.LoadIa32Efer, false);
        machine.Resume(a => Read(a, Msr.Ia32Efer));
        Assert.Equal(host, machine.Processor.Registers.Rbx);
    }

    [Theory]
    [SetsControl(VmEntryControls.Ia32eModeGuest)]
    [ClearsControl(VmEntryControls.Ia32eModeGuest)]
    [InlineData(64, LongMode)]
    [InlineData(32, 0ul)]
    public void The_IA32e_mode_control_gives_LMA_where_EFER_is_not_loaded(int bitness, ulong efer)
    {
        using VmxMachine machine = new VmxMachine(bitness).Start();
        machine.Set(VmEntryControls.LoadIa32Efer, false);
        machine.Launch(a => a.nop());
        Assert.Equal(efer & (ulong)EferBits.Lma, machine[VmcsField.GuestIa32Efer] & (ulong)EferBits.Lma);
        Assert.Equal(efer != 0, (machine[VmcsField.VmEntryControls] & (ulong)VmEntryControls.Ia32eModeGuest) != 0);
    }

    [Theory]
    [SetsControl(VmExitControls.HostAddressSpaceSize)]
    [ClearsControl(VmExitControls.HostAddressSpaceSize)]
    [InlineData(true)]
    [InlineData(false)]
    public void The_host_must_be_a_64_bit_one(bool wide)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(VmExitControls.HostAddressSpaceSize, wide);
        machine[VmcsField.HostSsSelector] = 0x10;
        Assert.Equal(wide ? VmxResult.Succeed : VmxResult.FailValid(VmInstructionError.EntryInvalidHostState), machine.Launch(a => a.nop()));
    }

    [Theory]
    [SetsControl(VmExitControls.SavePreemptionTimerValue)]
    [ClearsControl(VmExitControls.SavePreemptionTimerValue)]
    [InlineData(true, 990ul)]
    [InlineData(false, 1000ul)]
    public void The_preemption_timer_goes_to_its_field_or_starts_again(bool saves, ulong kept)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PinBasedControls.ActivatePreemptionTimer);
        machine.Set(PrimaryProcessorBasedControls.PauseExiting);
        machine.Set(VmExitControls.SavePreemptionTimerValue, saves);
        machine[VmcsField.PreemptionTimerValue] = 1000;
        machine.Respond = (m, ref _) =>
        {
            m.Time.Timestamp += 10 << 5;
            return VmExitAction.NextInstruction;
        };
        machine.Launch(a => a.pause());
        Assert.Equal(kept, machine[VmcsField.PreemptionTimerValue]);
    }

    [Theory]
    [InlineData(true, 0ul)]
    [InlineData(false, 5ul)]
    public void An_expired_timer_saves_0_or_leaves_its_field_alone(bool saves, ulong kept)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PinBasedControls.ActivatePreemptionTimer);
        machine.Set(VmExitControls.SavePreemptionTimerValue, saves);
        machine[VmcsField.PreemptionTimerValue] = 5;
        machine.Time.Step = 5 << 5;
        machine.Launch(a => a.nop());
        Assert.Equal(ExitReason.PreemptionTimerExpired, machine.Last.Reason);
        Assert.Equal(kept, machine[VmcsField.PreemptionTimerValue]);
    }

    private static VmxMachine WithoutMsrExits()
    {
        VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.MsrBitmapAddress] = machine.AllocatePage().PhysicalAddress;
        machine.Set(PrimaryProcessorBasedControls.UseMsrBitmaps);
        return machine;
    }

    /// <summary>RDMSR to RBX.</summary>
    private static void Read(Assembler a, uint register)
    {
        a.mov(ecx, register);
        a.rdmsr();
        a.shl(rdx, 32);
        a.lea(rbx, __[rax + rdx]);
    }

    private static void Write(Assembler a, uint register, ulong value)
    {
        a.mov(ecx, register);
        a.mov(eax, (uint)value);
        a.mov(edx, (uint)(value >> 32));
        a.wrmsr();
    }
}
