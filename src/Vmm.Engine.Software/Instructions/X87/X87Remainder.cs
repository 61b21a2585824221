using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>FPREM and FPREM1: exact remainders, by steps of at most 2^63 (SDM Vol. 2A "FPREM").</summary>
internal static unsafe class X87Remainder
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Fprem, &Truncating);
        table.Set(Code.Fprem1, &ToNearest);
    }

    private static Outcome Truncating(CpuState* s, Instruction* i) => Reduce(s, i, nearest: false);

    private static Outcome ToNearest(CpuState* s, Instruction* i) => Reduce(s, i, nearest: true);

    private static Outcome Reduce(CpuState* s, Instruction* i, bool nearest)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        s->FpuStatus &= unchecked((ushort)~X87Control.C2);
        if (X87Registers.IsEmpty(s, 0) || X87Registers.IsEmpty(s, 1))
        {
            X87Forms.Underflow(s, i, 0, pop: false);
            return Outcome.Next;
        }

        FloatEnvironment environment = X87Exceptions.Environment(s);
        Unpacked a = X87Registers.Read(s, 0).Unpack();
        Unpacked b = X87Registers.Read(s, 1).Unpack();
        int conditions = s->FpuStatus & X87Control.Conditions;
        if (X87Operands.Ordinary(ref environment, a, b, out Unpacked result))
        {
            result = Remainder(ref environment, a, b, nearest, ref conditions);
            X87Operands.NoteDenormal(ref environment, a.Class == FloatClass.Denormal || b.Class == FloatClass.Denormal);
            bool exact = false;
            result = X87Exceptions.Adjust(ref environment, result, ref exact);
        }

        if (X87Exceptions.Record(s, i, environment))
        {
            s->FpuStatus = (ushort)((s->FpuStatus & ~X87Control.Conditions) | conditions);
            X87Registers.Write(s, 0, result);
        }

        return Outcome.Next;
    }

    private static Unpacked Remainder(ref FloatEnvironment environment, Unpacked a, Unpacked b, bool nearest, ref int conditions)
    {
        if (a.IsInfinity || b.IsZero)
        {
            return X87Operands.Invalid(ref environment);
        }

        conditions = 0;
        int distance = a.Exponent - b.Exponent;
        if (a.IsZero || b.IsInfinity || distance < -1 || (distance < 0 && !nearest))
        {
            return SoftFloat.Convert(ref environment, FloatFormat.Extended, a, out _);
        }

        if (distance >= 64)
        {
            // Not done yet: subtract a multiple that takes 32 to 63 off the distance.
            int step = 32 + (distance & 31);
            conditions = X87Control.C2;
            UInt128 partial = ((UInt128)a.Significand << step) % b.Significand;
            return Round(ref environment, a.Sign, a.Exponent - step, partial);
        }

        // In units of the smaller exponent.
        UInt128 divisor = distance < 0 ? (UInt128)b.Significand << 1 : b.Significand;
        UInt128 dividend = distance < 0 ? a.Significand : (UInt128)a.Significand << distance;
        (UInt128 quotient, UInt128 rest) = UInt128.DivRem(dividend, divisor);
        bool sign = a.Sign;
        if (nearest && (rest << 1 > divisor || (rest << 1 == divisor && UInt128.IsOddInteger(quotient))))
        {
            rest = divisor - rest;
            quotient++;
            sign = !sign;
        }

        conditions = QuotientConditions((int)(quotient & 7));
        return rest == UInt128.Zero
            ? new(FloatClass.Zero, a.Sign, 0, 0)
            : Round(ref environment, sign, Math.Min(a.Exponent, b.Exponent), rest);
    }

    // Exact, but it may be too small for a normal number.
    private static Unpacked Round(ref FloatEnvironment environment, bool sign, int exponent, UInt128 rest)
    {
        if (rest == UInt128.Zero)
        {
            return new(FloatClass.Zero, sign, 0, 0);
        }

        int shift = (int)UInt128.LeadingZeroCount(rest);
        rest <<= shift;
        return Rounder.Round(ref environment, FloatFormat.Extended, sign, exponent + 64 - shift, (ulong)(rest >> 64), (ulong)rest, out _);
    }

    private static int QuotientConditions(int quotient) =>
        ((quotient & 4) != 0 ? X87Control.C0 : 0)
        | ((quotient & 2) != 0 ? X87Control.C3 : 0)
        | ((quotient & 1) != 0 ? X87Control.C1 : 0);
}
