using Iced.Intel;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Memory;

/// <summary>
/// Alignment checks (SDM Vol. 3A 6.15, table 6-7). Where the manual leaves a choice, the answers are those of a processor
/// that was asked.
/// </summary>
public sealed unsafe class AlignmentCheckTests
{
    private const ExceptionVector Ac = ExceptionVector.AlignmentCheck;
    private const ExceptionVector Gp = ExceptionVector.GeneralProtection;

    private static readonly Dictionary<string, Action<Assembler, int>> Accesses = new()
    {
        ["word"] = (a, offset) => a.mov(ax, __word_ptr[rbx + offset]),
        ["quadword"] = (a, offset) => a.mov(__qword_ptr[rbx + offset], rax),
        ["MOVUPS"] = (a, offset) => a.movups(xmm0, __xmmword_ptr[rbx + offset]),
        ["LDDQU"] = (a, offset) => a.lddqu(xmm0, __xmmword_ptr[rbx + offset]),
        ["store MOVDQU"] = (a, offset) => a.movdqu(__xmmword_ptr[rbx + offset], xmm0),
        ["PCMPESTRI"] = (a, offset) => a.pcmpestri(xmm0, __xmmword_ptr[rbx + offset], 0),
        ["MOVAPS"] = (a, offset) => a.movaps(xmm0, __xmmword_ptr[rbx + offset]),
        ["FLD m80"] = (a, offset) => a.fld(__tword_ptr[rbx + offset]),
        ["FSTP m80"] = (a, offset) => a.fstp(__tword_ptr[rbx + offset]),
        ["FBLD"] = (a, offset) => a.fbld(__tword_ptr[rbx + offset]),
        ["FXSAVE"] = (a, offset) => a.fxsave(__[rbx + offset]),
        ["FXRSTOR"] = (a, offset) => a.fxrstor(__[rbx + offset]),
        ["XSAVE"] = (a, offset) => a.xsave(__[rbx + offset]),
        ["FNSAVE"] = (a, offset) => a.fnsave(__[rbx + offset]),
        ["FNSTENV"] = (a, offset) => a.fnstenv(__[rbx + offset]),
        ["FLDENV"] = (a, offset) => a.fldenv(__[rbx + offset]),
        ["MASKMOVDQU"] = (a, offset) =>
        {
            a.lea(rdi, __[rbx + offset]);
            a.maskmovdqu(xmm0, xmm0);
        },
    };

    [Theory]
    [InlineData("word", 1, Ac)]
    [InlineData("word", 2, null)]
    [InlineData("quadword", 4, Ac)]
    [InlineData("quadword", 8, null)]
    [InlineData("MOVUPS", 1, null)]
    [InlineData("LDDQU", 4, null)]
    [InlineData("store MOVDQU", 8, null)]
    [InlineData("PCMPESTRI", 1, null)]
    [InlineData("MOVAPS", 1, Gp)]
    [InlineData("FLD m80", 4, Ac)]
    [InlineData("FLD m80", 8, null)]
    [InlineData("FSTP m80", 2, Ac)]
    [InlineData("FBLD", 4, Ac)]
    [InlineData("FXSAVE", 1, Ac)]
    [InlineData("FXSAVE", 4, Gp)]
    [InlineData("FXSAVE", 6, Ac)]
    [InlineData("FXRSTOR", 2, Ac)]
    [InlineData("FXRSTOR", 8, Gp)]
    [InlineData("XSAVE", 1, Ac)]
    [InlineData("XSAVE", 8, Gp)]
    [InlineData("FNSAVE", 2, Ac)]
    [InlineData("FNSAVE", 4, null)]
    [InlineData("FNSTENV", 2, Ac)]
    [InlineData("FLDENV", 2, Ac)]
    [InlineData("MASKMOVDQU", 1, Ac)]
    [InlineData("MASKMOVDQU", 4, Ac)]
    [InlineData("MASKMOVDQU", 8, null)]
    public void An_access_of_user_code_is_checked_by_its_type(string access, int offset, ExceptionVector? fault)
    {
        using TestMachine machine = new();
        machine.State->Cpl = 3;
        machine.State->Cr0 |= (ulong)Cr0Bits.Am;
        machine.State->SystemFlags |= (ulong)RflagsBits.Ac;
        machine.Processor.StateLoaded();
        machine.State->Gpr.Rbx = TestMachine.DataAddress;
        machine.Run(a => Accesses[access](a, offset));
        Assert.Equal(fault, machine.Fault);
    }

    [Fact]
    public void A_store_of_80_bits_that_faults_changes_nothing()
    {
        using TestMachine machine = new();
        machine.State->Cpl = 3;
        machine.State->Cr0 |= (ulong)Cr0Bits.Am;
        machine.State->SystemFlags |= (ulong)RflagsBits.Ac;
        machine.Processor.StateLoaded();
        machine.State->Gpr.Rbx = TestMachine.DataAddress;
        machine.Run(a =>
        {
            a.fld1();
            a.fstp(__tword_ptr[rbx + 4]);
        });
        Assert.Equal(Ac, machine.Fault);
        Assert.Equal(7, machine.State->FpuTop);
        Assert.True(machine.Memory.Bytes.Slice((int)TestMachine.DataAddress, 32).IndexOfAnyExcept((byte)0) < 0);
    }
}
