using System.Security.Cryptography;
using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>RDRAND and RDSEED, from the host's generator.</summary>
internal static unsafe class RandomNumbers
{
    public static void Register(HandlerTable table)
    {
        foreach (Code code in (Code[])[Code.Rdrand_r16, Code.Rdrand_r32, Code.Rdrand_r64])
        {
            table.Set(code, &Random, null);
        }

        foreach (Code code in (Code[])[Code.Rdseed_r16, Code.Rdseed_r32, Code.Rdseed_r64])
        {
            table.Set(code, &Seed, null);
        }
    }

    private static Outcome Random(CpuState* s, Instruction* i) =>
        Generate(s, i, SecondaryProcessorBasedControls.RdrandExiting, ExitReason.Rdrand);

    private static Outcome Seed(CpuState* s, Instruction* i) =>
        Generate(s, i, SecondaryProcessorBasedControls.RdseedExiting, ExitReason.Rdseed);

    private static Outcome Generate(CpuState* s, Instruction* i, SecondaryProcessorBasedControls control, ExitReason reason)
    {
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.Has(control))
        {
            ExitInstructionInformation information =
                ExitInstructionInformation.Random(Privilege.RegisterNumber(i->Destination), i->OperandSize);
            Outcome outcome = nonRoot.Exit(i, reason, 0, information);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        ulong value = 0;
        RandomNumberGenerator.Fill(new Span<byte>(&value, i->OperandSize));
        switch (i->OperandSize)
        {
            case 2:
                Operands.WriteRegister(s, i->Destination, (ushort)value);
                break;
            case 4:
                Operands.WriteRegister(s, i->Destination, (uint)value);
                break;
            default:
                Operands.WriteRegister(s, i->Destination, value);
                break;
        }

        // CF says that the value is there; the other flags are cleared.
        ArithmeticFlags.Write(s, ArithmeticFlags.Carry);
        return Outcome.Next;
    }
}
