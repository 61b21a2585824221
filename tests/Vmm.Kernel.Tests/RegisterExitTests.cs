namespace Vmm.Kernel.Tests;

/// <summary>CPUID, MSRs, control registers and XCR0 as the guest meets them.</summary>
public sealed class RegisterExitTests : ExitTest
{
    private static readonly InterruptionInformation GeneralProtection = InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection);

    [Fact]
    public void Cpuid_shows_topology_time_and_a_hypervisor()
    {
        Bench.Machine.Start();
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
    public void An_unknown_msr_is_a_general_protection_fault_in_the_guest()
    {
        Bench.Machine.Start();
        ScriptedExit exit = Msr(ExitReason.Rdmsr, 0x1234);
        Assert.Equal(VmExitAction.Resume, exit.Action);
        Assert.Equal(GeneralProtection, exit.Injected);
        Assert.Contains(Bench.Log.Messages, m => m.Message.Contains("RDMSR 0x1234"));
    }

    [Fact]
    public void The_time_stamp_counter_moves_with_its_msr_and_its_adjustment()
    {
        Bench.Machine.Start();
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
        Bench.Machine.Start();
        Assert.Equal(VmExitAction.NextInstruction, Msr(ExitReason.Wrmsr, Vmx.Msr.Ia32MtrrDefType, 0xC06).Action);
        Assert.Equal(VmExitAction.Resume, Msr(ExitReason.Wrmsr, Vmx.Msr.Ia32MtrrDefType, 0x002).Action);
        Msr(ExitReason.Rdmsr, Vmx.Msr.Ia32MtrrDefType);
        Assert.Equal(0xC06UL, Processor.Registers.Rax);
    }

    [Fact]
    public void A_guest_sees_its_own_cr0_and_cr4_while_vmx_keeps_its_fixed_bits()
    {
        Bench.Machine.Start();
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
        Bench.Machine.Start();
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
        Bench.Machine.Start();
        Processor.RunExit(Kick);
        Processor.Registers.Rax = value;
        ScriptedExit exit = Processor.RunExit(new VmExit { Reason = ExitReason.ControlRegisterAccess, Qualification = ControlRegisterQualification.MovTo(0, 0).Value });
        Assert.Equal(GeneralProtection, exit.Injected);
    }

    [Fact]
    public void Cr8_is_the_task_priority()
    {
        Bench.Machine.Start();
        Processor.Registers.Rcx = 9;
        Processor.RunExit(new VmExit { Reason = ExitReason.ControlRegisterAccess, Qualification = ControlRegisterQualification.MovTo(8, 1).Value });
        Assert.Equal(9u, Bench.Machine.Processors[0].Apic.Cr8);
        Processor.RunExit(new VmExit { Reason = ExitReason.ControlRegisterAccess, Qualification = ControlRegisterQualification.MovFrom(8, 2).Value });
        Assert.Equal(9UL, Processor.Registers.Rdx);
    }

    [Fact]
    public void Xsetbv_accepts_what_cpuid_announces_and_refuses_the_rest()
    {
        Bench.Machine.Start();
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
        Bench.Machine.Start();
        Xsetbv(1);
        Assert.Equal(576UL, SaveAreaSize());
        Xsetbv(3);
        Assert.Equal(576UL, SaveAreaSize());
        Xsetbv(7);
        Assert.Equal(832UL, SaveAreaSize());

        ulong SaveAreaSize() => Cpuid(0xD).Rbx;
    }

    private ScriptedExit Xsetbv(ulong value)
    {
        Processor.Registers.Rcx = 0;
        Processor.Registers.Rax = (uint)value;
        Processor.Registers.Rdx = value >> 32;
        return Processor.RunExit(new VmExit { Reason = ExitReason.Xsetbv, InstructionLength = 3 });
    }
}
