using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using RflagsBits = Vmm.Vmx.RflagsBits;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>CLC, STC, CMC, CLD, STD, LAHF, SAHF, SALC.</summary>
internal static unsafe class FlagInstructions
{
    private const ulong AhFlags = ArithmeticFlags.All & ~ArithmeticFlags.Overflow;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Clc, &ClearCarry);
        table.Set(Code.Stc, &SetCarry);
        table.Set(Code.Cmc, &ComplementCarry);
        table.Set(Code.Cld, &ClearDirection);
        table.Set(Code.Std, &SetDirection);
        table.Set(Code.Lahf, &LoadAh);
        table.Set(Code.Sahf, &StoreAh);
        table.Set(Code.Salc, &SpreadCarry);
    }

    private static Outcome ClearCarry(CpuState* s, Instruction* i)
    {
        ArithmeticFlags.SetCarryKeepingOverflow(s, false);
        return Outcome.Next;
    }

    private static Outcome SetCarry(CpuState* s, Instruction* i)
    {
        ArithmeticFlags.SetCarryKeepingOverflow(s, true);
        return Outcome.Next;
    }

    private static Outcome ComplementCarry(CpuState* s, Instruction* i)
    {
        ArithmeticFlags.SetCarryKeepingOverflow(s, !ArithmeticFlags.CarryFlag(s));
        return Outcome.Next;
    }

    private static Outcome ClearDirection(CpuState* s, Instruction* i)
    {
        s->SystemFlags &= ~(ulong)RflagsBits.Df;
        return Outcome.Next;
    }

    private static Outcome SetDirection(CpuState* s, Instruction* i)
    {
        s->SystemFlags |= (ulong)RflagsBits.Df;
        return Outcome.Next;
    }

    private static Outcome LoadAh(CpuState* s, Instruction* i)
    {
        Operands.Register<byte>(s, (ushort)(CpuState.GprOffset(0) + 1)) = (byte)((ArithmeticFlags.Read(s) & AhFlags) | 2);
        return Outcome.Next;
    }

    private static Outcome StoreAh(CpuState* s, Instruction* i)
    {
        ulong ah = Operands.Register<byte>(s, (ushort)(CpuState.GprOffset(0) + 1));
        ArithmeticFlags.Write(s, (ah & AhFlags) | (ArithmeticFlags.Read(s) & ArithmeticFlags.Overflow));
        return Outcome.Next;
    }

    /// <summary>SALC, undocumented: AL becomes all ones or zero by CF.</summary>
    private static Outcome SpreadCarry(CpuState* s, Instruction* i)
    {
        Operands.Register<byte>(s, (ushort)CpuState.GprOffset(0)) = ArithmeticFlags.CarryFlag(s) ? (byte)0xFF : (byte)0;
        return Outcome.Next;
    }
}
