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
    };

    [Theory]
    [InlineData(ExitReason.Rdtsc, PrimaryProcessorBasedControls.RdtscExiting)]
    [InlineData(ExitReason.Rdtscp, PrimaryProcessorBasedControls.RdtscExiting)]
    [InlineData(ExitReason.Rdpmc, PrimaryProcessorBasedControls.RdpmcExiting)]
    [InlineData(ExitReason.Invlpg, PrimaryProcessorBasedControls.InvlpgExiting)]
    [InlineData(ExitReason.Invpcid, PrimaryProcessorBasedControls.InvlpgExiting)]
    [InlineData(ExitReason.Pause, PrimaryProcessorBasedControls.PauseExiting)]
    [InlineData(ExitReason.MovDr, PrimaryProcessorBasedControls.MovDrExiting)]
    public void A_primary_control_makes_its_instruction_exit(ExitReason reason, PrimaryProcessorBasedControls control)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(control);
        ExitsOnce(machine, reason);
    }

    [Theory]
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
    [InlineData(ExitReason.Rdtsc)]
    [InlineData(ExitReason.Rdtscp)]
    [InlineData(ExitReason.Invlpg)]
    [InlineData(ExitReason.Invpcid)]
    [InlineData(ExitReason.Pause)]
    [InlineData(ExitReason.MovDr)]
    [InlineData(ExitReason.WbinvdOrWbnoinvd)]
    [InlineData(ExitReason.GdtrOrIdtrAccess)]
    [InlineData(ExitReason.LdtrOrTrAccess)]
    [InlineData(ExitReason.Rdrand)]
    [InlineData(ExitReason.Rdseed)]
    public void Without_its_control_an_instruction_does_not_exit(ExitReason reason)
    {
        using VmxMachine machine = new VmxMachine().Start();
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
    [InlineData(true)]
    [InlineData(false)]
    public void Msr_bitmaps_choose_the_registers_that_exit(bool intercepted)
    {
        using VmxMachine machine = new VmxMachine().Start();
        HostPage bitmap = machine.AllocatePage();
        if (intercepted)
        {
            bitmap.Memory.Span[1024 + (0x82 >> 3)] = 1 << (0x82 & 7);
        }

        machine[VmcsField.MsrBitmapAddress] = bitmap.PhysicalAddress;
        machine.Set(PrimaryProcessorBasedControls.UseMsrBitmaps);
        machine.Respond = (_, ref _) => VmExitAction.Complete;
        machine.Launch(a =>
        {
            a.mov(ecx, unchecked((int)Msr.Ia32Lstar));
            a.mov(eax, 0x1234);
            a.xor(edx, edx);
            a.wrmsr();
            a.xor(eax, eax);
            a.rdmsr();
        });
        Assert.Equal(0x1234UL, machine.Processor.Registers.Rax);
        Assert.Equal(intercepted ? [ExitReason.Rdmsr, ExitReason.Hlt] : [ExitReason.Hlt], machine.Exits.Select(exit => exit.Reason));
    }

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

    [Fact]
    public void Cr3_accesses_exit_unless_the_value_is_a_target()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.Cr3LoadExiting | PrimaryProcessorBasedControls.Cr3StoreExiting);
        machine[VmcsField.Cr3TargetCount] = 1;
        machine[VmcsField.Cr3TargetValue0] = machine[VmcsField.GuestCr3];
        machine.Respond = (_, ref _) => VmExitAction.Complete;
        machine.Launch(a =>
        {
            a.mov(rax, cr3);
            a.mov(cr3, rax);
            a.or(rax, 8);
            a.mov(cr3, rax);
        });
        Assert.Equal(
            [ControlRegisterQualification.MovFrom(3, 0).Value, ControlRegisterQualification.MovTo(3, 0).Value],
            machine.Exits.SkipLast(1).Select(exit => exit.Qualification));
    }

    [Fact]
    public void The_time_stamp_is_offset()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.UseTscOffsetting);
        machine[VmcsField.TscOffset] = 500;
        machine.Time.Timestamp = 1000;
        machine.Launch(a => a.rdtsc());
        Assert.Equal(1500UL, machine.Processor.Registers.Rax);
    }

    private static void ExitsOnce(VmxMachine machine, ExitReason reason)
    {
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        Assert.True(machine.Launch(Causes[reason]).IsSuccess);
        Assert.Equal([reason, ExitReason.Hlt], machine.Exits.Select(exit => exit.Reason));
        Assert.NotEqual(0, machine.Exits[0].InstructionLength);
    }
}
