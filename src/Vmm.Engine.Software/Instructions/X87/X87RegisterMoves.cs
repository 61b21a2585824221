using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>Instructions that move data between registers, change signs or look at what ST(0) is.</summary>
internal static unsafe class X87RegisterMoves
{
    private const ushort SignBit = 0x8000;

    public static void Register(HandlerTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Fxch_st0_sti, Code.Fxch_st0_sti_DDC8, Code.Fxch_st0_sti_DFC8])
        {
            table.Set(code, &Exchange, null);
        }

        table.Set(Code.Fchs, &ChangeSign);
        table.Set(Code.Fabs, &ClearSign);
        table.Set(Code.Fxam, &Examine);
        table.Set(Code.Fcmovb_st0_sti, &MoveIf<Below>, null);
        table.Set(Code.Fcmove_st0_sti, &MoveIf<Equal>, null);
        table.Set(Code.Fcmovbe_st0_sti, &MoveIf<BelowOrEqual>, null);
        table.Set(Code.Fcmovu_st0_sti, &MoveIf<Unordered>, null);
        table.Set(Code.Fcmovnb_st0_sti, &MoveIf<Not<Below>>, null);
        table.Set(Code.Fcmovne_st0_sti, &MoveIf<Not<Equal>>, null);
        table.Set(Code.Fcmovnbe_st0_sti, &MoveIf<Not<BelowOrEqual>>, null);
        table.Set(Code.Fcmovnu_st0_sti, &MoveIf<Not<Unordered>>, null);
    }

    private interface ICondition
    {
        static abstract bool Holds(CpuState* s);
    }

    private readonly struct Below : ICondition
    {
        public static bool Holds(CpuState* s) => ArithmeticFlags.CarryFlag(s);
    }

    private readonly struct Equal : ICondition
    {
        public static bool Holds(CpuState* s) => ArithmeticFlags.ZeroFlag(s);
    }

    private readonly struct BelowOrEqual : ICondition
    {
        public static bool Holds(CpuState* s) => ArithmeticFlags.CarryFlag(s) || ArithmeticFlags.ZeroFlag(s);
    }

    private readonly struct Unordered : ICondition
    {
        public static bool Holds(CpuState* s) => ArithmeticFlags.ParityFlag(s);
    }

    private readonly struct Not<T> : ICondition where T : struct, ICondition
    {
        public static bool Holds(CpuState* s) => !T.Holds(s);
    }

    // Both registers must be in use, whether the condition holds or not. C1 changes only when they are not.
    private static Outcome MoveIf<T>(CpuState* s, Instruction* i) where T : struct, ICondition
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        s->FpuLastInstruction = i->Rip;
        if (X87Registers.IsEmpty(s, 0) || X87Registers.IsEmpty(s, i->Source))
        {
            X87Exceptions.Begin(s, i);
            X87Forms.Underflow(s, i, 0, pop: false);
        }
        else if (T.Holds(s))
        {
            X87Registers.Write(s, 0, X87Registers.Read(s, i->Source));
        }

        return Outcome.Next;
    }

    private static Outcome Exchange(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        int other = i->Source;
        bool topEmpty = X87Registers.IsEmpty(s, 0);
        bool otherEmpty = X87Registers.IsEmpty(s, other);
        if ((topEmpty || otherEmpty) && !X87Exceptions.StackUnderflow(s, i))
        {
            return Outcome.Next;
        }

        ExtendedReal top = topEmpty ? ExtendedReal.Indefinite : X87Registers.Read(s, 0);
        X87Registers.Write(s, 0, otherEmpty ? ExtendedReal.Indefinite : X87Registers.Read(s, other));
        X87Registers.Write(s, other, top);
        return Outcome.Next;
    }

    private static Outcome ChangeSign(CpuState* s, Instruction* i) => SetSign(s, i, 0xFFFF, SignBit);

    private static Outcome ClearSign(CpuState* s, Instruction* i) => SetSign(s, i, SignBit - 1, 0);

    // Only the sign: no operand is invalid.
    private static Outcome SetSign(CpuState* s, Instruction* i, int and, int xor)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        if (X87Registers.IsEmpty(s, 0))
        {
            X87Forms.Underflow(s, i, 0, pop: false);
            return Outcome.Next;
        }

        ExtendedReal value = X87Registers.Read(s, 0);
        X87Registers.Write(s, 0, value with { SignExponent = (ushort)((value.SignExponent & and) ^ xor) });
        return Outcome.Next;
    }

    // SDM Vol. 2A table 3-44. C1 is the sign, of an empty register too.
    private static Outcome Examine(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        ExtendedReal value = X87Registers.Read(s, 0);
        int conditions = X87Registers.IsEmpty(s, 0)
            ? X87Control.C3 | X87Control.C0
            : value.Unpack().Class switch
            {
                FloatClass.Unsupported => 0,
                FloatClass.QuietNaN or FloatClass.SignalingNaN => X87Control.C0,
                FloatClass.Normal => X87Control.C2,
                FloatClass.Infinity => X87Control.C2 | X87Control.C0,
                FloatClass.Zero => X87Control.C3,
                _ => X87Control.C3 | X87Control.C2,
            };
        int sign = (value.SignExponent & SignBit) != 0 ? X87Control.C1 : 0;
        s->FpuStatus = (ushort)((s->FpuStatus & ~X87Control.Conditions) | conditions | sign);
        return Outcome.Next;
    }
}
