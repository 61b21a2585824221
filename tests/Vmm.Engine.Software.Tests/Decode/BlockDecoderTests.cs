using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Decode;

public sealed unsafe class BlockDecoderTests
{
    [Fact]
    public void Halting_at_once_leaves_RIP_after_the_instruction()
    {
        using TestMachine machine = new();
        machine.Run(_ => { });
        Assert.Null(machine.Fault);
        Assert.Equal(TestMachine.CodeAddress + 1, machine.State->Rip);
    }

    [Fact]
    public void An_instruction_of_16_bytes_is_a_general_protection_fault()
    {
        using TestMachine machine = new();
        machine.Load([0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90]);
        machine.Run();
        Assert.Equal(ExceptionVector.GeneralProtection, machine.Fault);
        Assert.Equal(0u, machine.FaultErrorCode);
    }

    [Fact]
    public void An_unknown_opcode_is_an_invalid_opcode_fault()
    {
        using TestMachine machine = new();
        machine.Load([0x0F, 0x04]);
        machine.Run();
        Assert.Equal(ExceptionVector.InvalidOpcode, machine.Fault);
        Assert.Equal(TestMachine.CodeAddress, machine.State->Rip);
    }

    [Theory]
    [InlineData(0x06)]
    [InlineData(0x60)]
    [InlineData(0xD6)]
    public void Opcodes_that_64_bit_mode_took_away_are_invalid(byte opcode)
    {
        using TestMachine machine = new();
        machine.Load([opcode]);
        machine.Run();
        Assert.Equal(ExceptionVector.InvalidOpcode, machine.Fault);
    }

    [Fact]
    public void Fetching_from_an_unmapped_page_is_a_page_fault_at_that_address()
    {
        using TestMachine machine = new();
        machine.Load(_ => { });
        machine.State->Rip = 0x4000_0123;
        machine.Run();
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal(0x10u, machine.FaultErrorCode);
        Assert.Equal(0x4000_0123UL, machine.State->FaultAddress);
    }

    [Fact]
    public void Fetching_from_a_non_canonical_address_is_a_general_protection_fault()
    {
        using TestMachine machine = new();
        machine.State->Rip = 0x8000_0000_0000;
        machine.Run();
        Assert.Equal(ExceptionVector.GeneralProtection, machine.Fault);
    }

    [Fact]
    public void Fetching_beyond_the_code_segment_limit_is_a_general_protection_fault()
    {
        using TestMachine machine = new(16);
        machine.Load(_ => { });
        machine.State->Cs.Limit = 0xFF;
        machine.State->Rip = 0x100;
        machine.Processor.StateLoaded();
        machine.Run();
        Assert.Equal(ExceptionVector.GeneralProtection, machine.Fault);
    }

    [Fact]
    public void One_block_mode_word_tells_flat_and_other_segments_apart()
    {
        using TestMachine machine = new(32);
        uint flat = machine.State->BlockMode;
        machine.State->Fs.Base = 0x1000;
        BlockMode.Update(machine.State);
        Assert.Equal(flat | 1u << BlockMode.CheckedShift + 4, machine.State->BlockMode);
    }

    [Fact]
    public void Block_mode_is_that_of_64_bit_code_in_long_mode_only()
    {
        using TestMachine machine = new();
        Assert.Equal(BlockMode.Code64, machine.State->BlockMode & BlockMode.SizeMask);
        machine.State->Cs.AccessRights &= ~0x2000u;
        BlockMode.Update(machine.State);
        Assert.Equal(BlockMode.Code16, machine.State->BlockMode & BlockMode.SizeMask);
    }
}
