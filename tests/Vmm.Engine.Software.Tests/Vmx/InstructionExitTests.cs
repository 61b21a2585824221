using Iced.Intel;
using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Vmx;

public sealed class InstructionExitTests
{
    private static readonly Dictionary<ExitReason, Action<Assembler>> Causes = new()
    {
        [ExitReason.Rdtsc] = a => a.rdtsc(),
        [ExitReason.Rdtscp] = a => a.rdtscp(),
        [ExitReason.Rdpmc] = a => a.rdpmc(),
        [ExitReason.Invlpg] = a => a.invlpg(__byte_ptr[rbx]),
        [ExitReason.Pause] = a => a.pause(),
        [ExitReason.MovDr] = a => a.mov(rax, dr7),
        [ExitReason.WbinvdOrWbnoinvd] = a => a.wbinvd(),
        [ExitReason.GdtrOrIdtrAccess] = a => a.sgdt(__[VmxMachine.Data]),
        [ExitReason.LdtrOrTrAccess] = a => a.str(eax),
        [ExitReason.Rdrand] = a => a.rdrand(rax),
        [ExitReason.Rdseed] = a => a.rdseed(eax),
        [ExitReason.Invpcid] = a => a.invpcid(rcx, __xmmword_ptr[VmxMachine.Data]),
        [ExitReason.ControlRegisterAccess] = a => a.mov(rax, cr8),
        [ExitReason.IoInstruction] = a => a.@out(0x80, al),
    };

    [Theory]
    [SetsControl]
    [InlineData(ExitReason.Rdtsc, PrimaryProcessorBasedControls.RdtscExiting)]
    [InlineData(ExitReason.Rdtscp, PrimaryProcessorBasedControls.RdtscExiting)]
    [InlineData(ExitReason.Rdpmc, PrimaryProcessorBasedControls.RdpmcExiting)]
    [InlineData(ExitReason.Invlpg, PrimaryProcessorBasedControls.InvlpgExiting)]
    [InlineData(ExitReason.Invpcid, PrimaryProcessorBasedControls.InvlpgExiting)]
    [InlineData(ExitReason.Pause, PrimaryProcessorBasedControls.PauseExiting)]
    [InlineData(ExitReason.MovDr, PrimaryProcessorBasedControls.MovDrExiting)]
    [InlineData(ExitReason.ControlRegisterAccess, PrimaryProcessorBasedControls.Cr8StoreExiting)]
    [InlineData(ExitReason.IoInstruction, PrimaryProcessorBasedControls.UnconditionalIoExiting)]
    public void A_primary_control_makes_its_instruction_exit(ExitReason reason, PrimaryProcessorBasedControls control)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(control);
        ExitsOnce(machine, reason);
    }

    [Theory]
    [SetsControl]
    [InlineData(ExitReason.WbinvdOrWbnoinvd, SecondaryProcessorBasedControls.WbinvdExiting)]
    [InlineData(ExitReason.GdtrOrIdtrAccess, SecondaryProcessorBasedControls.DescriptorTableExiting)]
    [InlineData(ExitReason.LdtrOrTrAccess, SecondaryProcessorBasedControls.DescriptorTableExiting)]
    [InlineData(ExitReason.Rdrand, SecondaryProcessorBasedControls.RdrandExiting)]
    [InlineData(ExitReason.Rdseed, SecondaryProcessorBasedControls.RdseedExiting)]
    public void A_secondary_control_makes_its_instruction_exit(ExitReason reason, SecondaryProcessorBasedControls control)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(control);
        ExitsOnce(machine, reason);
    }

    [Theory]
    [ClearsControl]
    [InlineData(ExitReason.Rdtsc, PrimaryProcessorBasedControls.RdtscExiting)]
    [InlineData(ExitReason.Rdtscp, PrimaryProcessorBasedControls.RdtscExiting)]
    [InlineData(ExitReason.Invlpg, PrimaryProcessorBasedControls.InvlpgExiting)]
    [InlineData(ExitReason.Invpcid, PrimaryProcessorBasedControls.InvlpgExiting)]
    [InlineData(ExitReason.Pause, PrimaryProcessorBasedControls.PauseExiting)]
    [InlineData(ExitReason.MovDr, PrimaryProcessorBasedControls.MovDrExiting)]
    [InlineData(ExitReason.ControlRegisterAccess, PrimaryProcessorBasedControls.Cr8StoreExiting)]
    [InlineData(ExitReason.IoInstruction, PrimaryProcessorBasedControls.UnconditionalIoExiting)]
    [InlineData(ExitReason.WbinvdOrWbnoinvd, SecondaryProcessorBasedControls.WbinvdExiting)]
    [InlineData(ExitReason.GdtrOrIdtrAccess, SecondaryProcessorBasedControls.DescriptorTableExiting)]
    [InlineData(ExitReason.LdtrOrTrAccess, SecondaryProcessorBasedControls.DescriptorTableExiting)]
    [InlineData(ExitReason.Rdrand, SecondaryProcessorBasedControls.RdrandExiting)]
    [InlineData(ExitReason.Rdseed, SecondaryProcessorBasedControls.RdseedExiting)]
    public void Without_its_control_an_instruction_does_not_exit(ExitReason reason, Enum control)
    {
        using VmxMachine machine = new VmxMachine().Start();
        VmcsField field = control is PrimaryProcessorBasedControls ? VmcsField.PrimaryProcessorBasedControls : VmcsField.SecondaryProcessorBasedControls;
        Assert.Equal(0UL, machine[field] & Convert.ToUInt64(control));
        Assert.True(machine.Launch(Causes[reason]).IsSuccess);
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
    }

    [Fact]
    public void Cpuid_exits_always_and_completion_gives_the_processors_own_answer()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Respond = (_, ref _) => VmExitAction.Complete;
        machine.Launch(a =>
        {
            a.xor(eax, eax);
            a.cpuid();
        });
        Assert.Equal([ExitReason.Cpuid, ExitReason.Hlt], machine.Exits.Select(exit => exit.Reason));
        Assert.Equal((uint)machine.Capabilities.Cpuid[0].Result.Ebx, (uint)machine.Processor.Registers.Rbx);
    }

    [Fact]
    public void Vmcall_exits_and_the_next_instruction_goes_on_with_the_answer()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Respond = (m, ref exit) =>
        {
            Assert.Equal(3, exit.InstructionLength);
            m.Processor.Registers.Rax = 99;
            return VmExitAction.NextInstruction;
        };
        machine.Launch(a =>
        {
            a.vmcall();
            a.mov(rbx, rax);
        });
        Assert.Equal(99UL, machine.Processor.Registers.Rbx);
    }

    [Fact]
    public void Xsetbv_and_invd_exit_always()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        machine.Launch(a =>
        {
            a.xsetbv();
            a.invd();
        });
        Assert.Equal([ExitReason.Xsetbv, ExitReason.Invd, ExitReason.Hlt], machine.Exits.Select(exit => exit.Reason));
    }

    [Theory]
    [SetsControl(PrimaryProcessorBasedControls.UseTscOffsetting)]
    [ClearsControl(PrimaryProcessorBasedControls.UseTscOffsetting)]
    [InlineData(true, 1500ul)]
    [InlineData(false, 1000ul)]
    public void The_time_stamp_is_offset_by_its_control(bool offsets, ulong seen)
    {
        using VmxMachine machine = new VmxMachine().Start();
        if (offsets)
        {
            machine.Set(PrimaryProcessorBasedControls.UseTscOffsetting);
        }

        machine[VmcsField.TscOffset] = 500;
        machine.Time.Timestamp = 1000;
        machine.Launch(a => a.rdtsc());
        Assert.Equal(seen, machine.Processor.Registers.Rax);
    }

    [Theory]
    [SetsControl]
    [InlineData(ExitReason.Rdtscp, SecondaryProcessorBasedControls.EnableRdtscp)]
    [InlineData(ExitReason.Invpcid, SecondaryProcessorBasedControls.EnableInvpcid)]
    public void An_instruction_that_is_enabled_runs(ExitReason instruction, SecondaryProcessorBasedControls control)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(control);
        machine.Launch(Causes[instruction]);
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
    }

    [Theory]
    [ClearsControl]
    [InlineData(ExitReason.Rdtscp, SecondaryProcessorBasedControls.EnableRdtscp)]
    [InlineData(ExitReason.Invpcid, SecondaryProcessorBasedControls.EnableInvpcid)]
    public void An_instruction_that_is_not_enabled_is_undefined_even_if_it_would_exit(ExitReason instruction, SecondaryProcessorBasedControls control)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Clear(control);
        machine.Set(PrimaryProcessorBasedControls.RdtscExiting | PrimaryProcessorBasedControls.InvlpgExiting);
        Assert.Equal(ExceptionVector.InvalidOpcode, FaultOf(machine, Causes[instruction]));
    }

    [Fact]
    [ClearsControl(PrimaryProcessorBasedControls.RdpmcExiting)]
    public void Without_its_control_RDPMC_finds_no_counter()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Clear(PrimaryProcessorBasedControls.RdpmcExiting);
        Assert.Equal(ExceptionVector.GeneralProtection, FaultOf(machine, a => a.rdpmc()));
    }

    // CPUID announces neither: undefined comes before the exit (SDM Vol. 3C 26.1.1).
    [Theory]
    [SetsControl(PrimaryProcessorBasedControls.MonitorExiting, PrimaryProcessorBasedControls.MwaitExiting)]
    [ClearsControl(PrimaryProcessorBasedControls.MonitorExiting, PrimaryProcessorBasedControls.MwaitExiting)]
    [InlineData(true)]
    [InlineData(false)]
    public void MONITOR_and_MWAIT_are_undefined_whatever_their_controls_say(bool exiting)
    {
        foreach (Action<Assembler> instruction in (Action<Assembler>[])[a => a.monitor(), a => a.mwait()])
        {
            using VmxMachine machine = new VmxMachine().Start();
            if (exiting)
            {
                machine.Set(PrimaryProcessorBasedControls.MonitorExiting | PrimaryProcessorBasedControls.MwaitExiting);
            }

            Assert.Equal(ExceptionVector.InvalidOpcode, FaultOf(machine, instruction));
        }
    }

    [Fact]
    public void Every_access_to_a_descriptor_table_register_exits()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(SecondaryProcessorBasedControls.DescriptorTableExiting);
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        machine.Launch(a =>
        {
            a.sgdt(__[VmxMachine.Data]);
            a.sidt(__[VmxMachine.Data]);
            a.lgdt(__[VmxMachine.Data]);
            a.lidt(__[VmxMachine.Data]);
            a.sldt(eax);
            a.str(eax);
            a.lldt(ax);
            a.ltr(ax);
        });
        Assert.Equal(
            [.. Enumerable.Repeat(ExitReason.GdtrOrIdtrAccess, 4), .. Enumerable.Repeat(ExitReason.LdtrOrTrAccess, 4), ExitReason.Hlt],
            machine.Reasons);
    }

    [Fact]
    public void MOV_DR_exits_before_its_faults()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.MovDrExiting);
        machine[VmcsField.GuestCr4] |= (ulong)Cr4Bits.De;
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        machine.Launch(a => a.mov(rax, dr4)); // undefined with CR4.DE
        Assert.Equal([ExitReason.MovDr, ExitReason.Hlt], machine.Reasons);
        Assert.Equal(DebugRegisterQualification.Create(4, isRead: true, 0).Value, machine.Exits[0].Qualification);
    }

    [Theory]
    [InlineData(1ul, false)]
    [InlineData(2ul, true)] // not without x87
    public void XSETBV_that_completes_has_the_processors_own_checks(ulong value, bool faults)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Respond = (_, ref _) => VmExitAction.Complete;
        machine.Gate(13);
        machine.Launch(a =>
        {
            a.mov(eax, (int)value);
            a.xor(ecx, ecx);
            a.xor(edx, edx);
            a.xsetbv();
        });
        Assert.Equal([ExitReason.Xsetbv, ExitReason.Hlt], machine.Reasons);
        Assert.Equal(faults, machine[VmcsField.GuestRip] == VmxMachine.Handler);
    }

    /// <summary>The exception that an instruction raises without an exit.</summary>
    private static ExceptionVector FaultOf(VmxMachine machine, Action<Assembler> instruction)
    {
        machine[VmcsField.ExceptionBitmap] = uint.MaxValue;
        machine.Launch(instruction);
        VmExit exit = Assert.Single(machine.Exits);
        Assert.Equal(ExitReason.ExceptionOrNmi, exit.Reason);
        return (ExceptionVector)(byte)exit.InterruptionInformation;
    }

    private static void ExitsOnce(VmxMachine machine, ExitReason reason)
    {
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        Assert.True(machine.Launch(Causes[reason]).IsSuccess);
        Assert.Equal([reason, ExitReason.Hlt], machine.Exits.Select(exit => exit.Reason));
        Assert.NotEqual(0, machine.Exits[0].InstructionLength);
    }
}
