using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.Instructions.X87;
using Vmm.Engine.Software.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.X87;

/// <summary>Transcendental instructions against values computed with 400 bits, rounded to nearest; angles by the 66-bit π.</summary>
public sealed unsafe class TranscendentalTests
{
    [Theory]
    [InlineData("Fsin", 0.5, 0.0, 0x3FFD, 0xF57743A2582F7F44)]
    [InlineData("Fcos", 0.5, 0.0, 0x3FFE, 0xE0A94032DBEA7CEE)]
    [InlineData("Fptan", 0.5, 0.0, 0x3FFE, 0x8BDA7ADF9A3A5219)]
    [InlineData("Fsin", -1.0, 0.0, 0xBFFE, 0xD76AA47848677021)]
    [InlineData("Fcos", -1.0, 0.0, 0x3FFE, 0x8A51407DA8345C92)]
    [InlineData("Fptan", -1.0, 0.0, 0xBFFF, 0xC75922E5F71D2DC5)]
    [InlineData("Fsin", 3.0, 0.0, 0x3FFC, 0x9081C36DB6AADA79)]
    [InlineData("Fcos", 3.0, 0.0, 0xBFFE, 0xFD7025F42F2E9308)]
    [InlineData("Fptan", 3.0, 0.0, 0xBFFC, 0x91F7B892A5C37866)]
    [InlineData("Fsin", 3.141592653589793, 0.0, 0x3FCA, 0x8D30000000000000)]
    [InlineData("Fcos", 3.141592653589793, 0.0, 0xBFFF, 0x8000000000000000)]
    [InlineData("Fptan", 3.141592653589793, 0.0, 0xBFCA, 0x8D30000000000000)]
    [InlineData("Fsin", 100.25, 0.0, 0xBFFD, 0x8DF804C06E1AE1F2)]
    [InlineData("Fcos", 100.25, 0.0, 0x3FFE, 0xF5F6395D35875E75)]
    [InlineData("Fptan", 100.25, 0.0, 0xBFFD, 0x93C34A2AB68C7B39)]
    [InlineData("Fsin", -1000000.0, 0.0, 0x3FFD, 0xB332592B46C28C7F)]
    [InlineData("Fcos", -1000000.0, 0.0, 0x3FFE, 0xEFCEFCC8369983CF)]
    [InlineData("Fptan", -1000000.0, 0.0, 0x3FFD, 0xBF4BB455B9A52D14)]
    [InlineData("Fsin", 1e+18, 0.0, 0xBFFE, 0xFE293239D98B5DC4)]
    [InlineData("Fcos", 1e+18, 0.0, 0x3FFB, 0xF50B31631BCFD88C)]
    [InlineData("Fptan", 1e+18, 0.0, 0xC002, 0x84C32E183A850C22)]
    [InlineData("Fsin", 1e-05, 0.0, 0x3FEE, 0xA7C5AC470F4512EB)]
    [InlineData("Fcos", 1e-05, 0.0, 0x3FFE, 0xFFFFFFFFC906404C)]
    [InlineData("Fptan", 1e-05, 0.0, 0x3FEE, 0xA7C5AC47334C7229)]
    [InlineData("Fpatan", 3.0, 1.0, 0x3FFD, 0xA4BC7D1934F70924)]
    [InlineData("Fpatan", 2.5, -1.0, 0xBFFD, 0xC2D1BB5B3BEDFDC0)]
    [InlineData("Fpatan", -0.001, 1.0, 0x3FFF, 0xC9309F3D100B9E60)]
    [InlineData("Fpatan", -7.0, -7.0, 0xC000, 0x96CBE3F9990E91A8)]
    [InlineData("Fpatan", 2.0, 1e-30, 0x3F9A, 0xA2425FF75E150000)]
    [InlineData("Fpatan", 1e-300, 5.0, 0x3FFF, 0xC90FDAA22168C235)]
    [InlineData("F2xm1", 0.5, 0.0, 0x3FFD, 0xD413CCCFE7799211)]
    [InlineData("F2xm1", -0.5, 0.0, 0xBFFD, 0x95F619980C4336F7)]
    [InlineData("F2xm1", 0.999, 0.0, 0x3FFE, 0xFFA52DE61C11F23F)]
    [InlineData("F2xm1", -0.001, 0.0, 0xBFF4, 0xB5A433C7DC1B54C7)]
    [InlineData("F2xm1", 1e-10, 0.0, 0x3FDD, 0x986CB7A12110932D)]
    [InlineData("Fyl2x", 10.0, 1.0, 0x4000, 0xD49A784BCD1B8AFE)]
    [InlineData("Fyl2x", 1.0000001, 3.0, 0x3FE9, 0xE85CBEFC7D989720)]
    [InlineData("Fyl2x", 0.7, -2.0, 0x3FFF, 0x83BB1144B3E8975E)]
    [InlineData("Fyl2x", 1e-300, 1.5, 0xC009, 0xBADBC3BA9F453529)]
    [InlineData("Fyl2x", 1e+300, 0.1, 0x4005, 0xC750D0C71049D56D)]
    [InlineData("Fyl2xp1", 1e-12, 1.0, 0x3FD7, 0xCB0A91190BE3B488)]
    [InlineData("Fyl2xp1", 0.25, 3.0, 0x3FFE, 0xF73DA38D9D4A83EB)]
    [InlineData("Fyl2xp1", -0.25, -2.0, 0x3FFE, 0xD47FCB8C0852F0C1)]
    [InlineData("Fyl2xp1", 0.01, 1.5, 0x3FF9, 0xB065D8D95424D077)]
    public void Results_are_correctly_rounded(string instruction, double top, double next, int signExponent, ulong significand)
    {
        Assert.Equal(new ExtendedReal(significand, (ushort)signExponent), Compute(instruction, top, next));
    }

    [Theory]
    [InlineData("Fsin", 9.3e18)]
    [InlineData("Fcos", -1e300)]
    [InlineData("Fptan", 1e19)]
    public void Angles_of_2_to_the_63_and_more_are_left_alone_with_C2_set(string instruction, double angle)
    {
        using TestMachine machine = Run(instruction, angle, 1);
        Assert.NotEqual(0, machine.State->FpuStatus & X87Control.C2);
        Assert.Equal(6, machine.State->FpuTop);
        Assert.True(NormalArithmetic.FromDouble(BitConverter.DoubleToUInt64Bits(angle), out ExtendedReal unchanged));
        Assert.Equal(unchanged, X87Registers.Read(machine.State, 0));
    }

    [Fact]
    public void Fsincos_replaces_the_angle_by_its_sine_and_pushes_the_cosine()
    {
        using TestMachine machine = Run("Fsincos", 0.5, 1);
        Assert.Equal(5, machine.State->FpuTop);
        Assert.Equal(new ExtendedReal(0xE0A9_4032_DBEA_7CEE, 0x3FFE), X87Registers.Read(machine.State, 0));
        Assert.Equal(new ExtendedReal(0xF577_43A2_582F_7F44, 0x3FFD), X87Registers.Read(machine.State, 1));
    }

    [Fact]
    public void Fyl2x_of_zero_divides_by_zero()
    {
        using TestMachine machine = Run("Fyl2x", 0, 2);
        Assert.Equal(new ExtendedReal(1UL << 63, 0xFFFF), X87Registers.Read(machine.State, 0));
        Assert.Equal(4, machine.State->FpuStatus & 0x3F);
    }

    private static ExtendedReal Compute(string instruction, double top, double next)
    {
        using TestMachine machine = Run(instruction, top, next);
        Assert.Equal(0x20, machine.State->FpuStatus & 0x7F);
        return X87Registers.Read(machine.State, instruction == "Fptan" ? 1 : 0);
    }

    private static TestMachine Run(string instruction, double top, double next)
    {
        TestMachine machine = new();
        machine.State->Gpr.Rcx = TestMachine.DataAddress;
        MemoryMarshal.Cast<byte, double>(machine.Memory.Bytes[(int)TestMachine.DataAddress..])[0] = top;
        MemoryMarshal.Cast<byte, double>(machine.Memory.Bytes[(int)TestMachine.DataAddress..])[1] = next;
        machine.Run(a =>
        {
            a.fld(__qword_ptr[rcx + 8]);
            a.fld(__qword_ptr[rcx]);
            a.AddInstruction(Instruction.Create(Enum.Parse<Code>(instruction)));
        });
        Assert.Null(machine.Fault);
        return machine;
    }
}
