using Vmm.Engine.Software.Tests.Harness;
using Vmm.Engine.Software.Tests.Memory;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Decode;

public sealed unsafe class SelfModifyingCodeTests
{
    private const byte Hlt = 0xF4;

    [Fact]
    public void Code_that_the_processor_overwrites_is_decoded_anew()
    {
        using TestMachine machine = new();
        machine.Load([Hlt]);
        machine.Run();
        Assert.Null(machine.Fault);
        machine.Store<ushort>(TestMachine.CodeAddress, 0x040F);
        machine.State->Rip = TestMachine.CodeAddress;
        machine.Run();
        Assert.Equal(ExceptionVector.InvalidOpcode, machine.Fault);
    }

    [Fact]
    public void A_write_permission_from_before_the_code_was_decoded_does_not_outlive_it()
    {
        using TestMachine machine = new();
        machine.Load([Hlt]);
        machine.Store<byte>(TestMachine.CodeAddress + 0x100, 1);
        machine.Run();
        machine.Store<ushort>(TestMachine.CodeAddress, 0x040F);
        machine.State->Rip = TestMachine.CodeAddress;
        machine.Run();
        Assert.Equal(ExceptionVector.InvalidOpcode, machine.Fault);
    }

    [Fact]
    public void Code_that_another_processor_overwrites_is_decoded_anew()
    {
        using TestMachine machine = new();
        using LogicalProcessor other = machine.AddProcessor(index: 1);
        Assert.True(Software.Memory.LinearMemory.Store(other.State, TestMachine.CodeAddress + 0x100, (byte)1));
        machine.Load([Hlt]);
        machine.Run();

        // The other processor still has its write permission, up to the end of its block.
        Assert.True(Software.Memory.LinearMemory.Store(other.State, TestMachine.CodeAddress, (ushort)0x040F));
        other.ProcessRequests();
        machine.State->Rip = TestMachine.CodeAddress;
        machine.Run();
        Assert.Equal(ExceptionVector.InvalidOpcode, machine.Fault);
    }

    [Fact]
    public void Code_that_a_device_overwrites_is_decoded_anew()
    {
        using TestMachine machine = new();
        machine.Load([Hlt]);
        machine.Run();
        machine.Load([0x0F, 0x04]);
        machine.Run();
        Assert.Equal(ExceptionVector.InvalidOpcode, machine.Fault);
    }

    [Fact]
    public void An_instruction_across_two_pages_is_dropped_by_a_write_to_either()
    {
        using TestMachine machine = new();
        ulong start = TestMachine.CodeAddress + 0xFFF;
        for (int page = 0; page < 2; page++)
        {
            // A prefix, then HLT; afterwards two bytes that are no instruction.
            machine.Store<byte>(start, 0x66);
            machine.Store(start + 1, Hlt);
            machine.State->Rip = start;
            machine.Run();
            Assert.Null(machine.Fault);
            machine.Store<byte>(start + 1, 0x04);
            machine.Store<byte>(start, 0x0F);
            machine.State->Rip = start;
            machine.Run();
            Assert.Equal(ExceptionVector.InvalidOpcode, machine.Fault);
        }
    }
}
