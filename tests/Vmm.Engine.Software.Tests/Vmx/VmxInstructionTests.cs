using Vmm.Sdk;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Vmx;

public sealed class VmxInstructionTests
{
    [Fact]
    public void Without_vmxon_every_instruction_fails()
    {
        using VmxMachine machine = new();
        Assert.Equal(VmxResult.FailInvalid, machine.Processor.VmPtrLd(VmxMachine.VmcsRegion));
        Assert.Equal(VmxResult.FailInvalid, machine.Processor.VmClear(VmxMachine.VmcsRegion));
        Assert.Equal(VmxResult.FailInvalid, machine.Processor.VmRead(VmcsField.GuestRip, out _));
        Assert.Equal(VmxResult.FailInvalid, machine.Processor.VmLaunch(machine));
        Assert.Equal(VmxResult.FailInvalid, machine.Processor.VmxOff());
    }

    [Fact]
    public void Vmxon_with_a_misaligned_region_fails()
    {
        using VmxMachine machine = new();
        Assert.Equal(VmxResult.FailInvalid, machine.Processor.VmxOn(0x1008));
    }

    [Fact]
    public void Vmxon_in_vmx_operation_fails_with_error_15()
    {
        using VmxMachine machine = new VmxMachine().Start();
        Assert.Equal(VmxResult.FailValid(VmInstructionError.VmxonInVmxRoot), machine.Processor.VmxOn(VmxMachine.VmxonRegion));
        Assert.Equal(15UL, machine[VmcsField.VmInstructionError]);
    }

    [Theory]
    [InlineData(0x2008, 2)]
    [InlineData((long)VmxMachine.VmxonRegion, 3)]
    public void Vmclear_of_a_bad_pointer_fails(long pointer, int error)
    {
        using VmxMachine machine = new VmxMachine().Start();
        Assert.Equal(VmxResult.FailValid((VmInstructionError)error), machine.Processor.VmClear((ulong)pointer));
    }

    [Theory]
    [InlineData(0x2008, 9)]
    [InlineData(1L << 50, 9)]
    [InlineData((long)VmxMachine.VmxonRegion, 10)]
    public void Vmptrld_of_a_bad_pointer_fails(long pointer, int error)
    {
        using VmxMachine machine = new VmxMachine().Start();
        Assert.Equal(VmxResult.FailValid((VmInstructionError)error), machine.Processor.VmPtrLd((ulong)pointer));
    }

    [Fact]
    public void Vmread_of_an_unknown_field_fails_with_error_12()
    {
        using VmxMachine machine = new VmxMachine().Start();
        Assert.Equal(VmxResult.FailValid(VmInstructionError.UnsupportedVmcsComponent), machine.Processor.VmRead((VmcsField)0x3FFE, out _));
    }

    [Fact]
    public void Vmwrite_of_exit_information_fails_with_error_13()
    {
        using VmxMachine machine = new VmxMachine().Start();
        Assert.Equal(VmxResult.FailValid(VmInstructionError.VmwriteReadOnlyComponent), machine.Processor.VmWrite(VmcsField.ExitReason, 1));
    }

    [Fact]
    public void Vmlaunch_with_a_launched_vmcs_fails_with_error_4()
    {
        using VmxMachine machine = new VmxMachine().Start();
        Assert.True(machine.Launch(_ => { }).IsSuccess);
        Assert.Equal(VmxResult.FailValid(VmInstructionError.VmlaunchNonClearVmcs), machine.Processor.VmLaunch(machine));
        Assert.True(machine.Processor.VmResume(machine).IsSuccess);
    }

    [Fact]
    public void Vmresume_with_a_clear_vmcs_fails_with_error_5()
    {
        using VmxMachine machine = new VmxMachine().Start();
        Assert.Equal(VmxResult.FailValid(VmInstructionError.VmresumeNonLaunchedVmcs), machine.Processor.VmResume(machine));
    }

    [Fact]
    public void Controls_that_the_processor_has_not_fail_with_error_7()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(SecondaryProcessorBasedControls.EnablePml);
        Assert.Equal(VmxResult.FailValid(VmInstructionError.EntryInvalidControlFields), machine.Launch(_ => { }));
        Assert.Empty(machine.Exits);
    }

    [Fact]
    public void A_bad_host_state_fails_with_error_8()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.HostCsSelector] = 0;
        Assert.Equal(VmxResult.FailValid(VmInstructionError.EntryInvalidHostState), machine.Launch(_ => { }));
    }

    [Fact]
    public void A_bad_guest_state_is_an_exit_with_reason_33_and_the_vmcs_stays_clear()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.GuestRflags] = 0;
        Assert.True(machine.Launch(_ => { }).IsSuccess);
        Assert.Equal(ExitReason.EntryFailureGuestState, machine.Last.Reason);
        Assert.True(machine.Last.EntryFailure);
        Assert.Equal(33UL | 1UL << 31, machine[VmcsField.ExitReason]);
        Assert.Equal(VmxResult.FailValid(VmInstructionError.VmresumeNonLaunchedVmcs), machine.Processor.VmResume(machine));
    }

    [Fact]
    public void A_vmcs_keeps_its_guest_while_another_is_current()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.GuestRip] = 0x1234;
        Assert.True(machine.Processor.VmPtrLd(0x5000).IsSuccess);
        machine[VmcsField.GuestRip] = 0x5678;
        Assert.True(machine.Processor.VmPtrLd(VmxMachine.VmcsRegion).IsSuccess);
        Assert.Equal(0x1234UL, machine[VmcsField.GuestRip]);
    }

    [Fact]
    public void A_saved_state_continues_on_another_processor()
    {
        using VmxMachine first = new VmxMachine().Start();
        first.Processor.Registers.Rbx = 42;
        ProcessorState state = new();
        first.Processor.SaveState(state);
        using VmxMachine second = new VmxMachine().Start();
        second.Processor.LoadState(state);
        Assert.True(second.Launch(a => a.add(Iced.Intel.AssemblerRegisters.rbx, 1)).IsSuccess);
        Assert.Equal(43UL, second.Processor.Registers.Rbx);
        Assert.Equal(ExitReason.Hlt, second.Last.Reason);
    }
}
