using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>FSQRT, FRNDINT, FSCALE and FXTRACT (SDM Vol. 1 8.3.5, 8.3.10).</summary>
internal static unsafe class X87Scaling
{
    /// <summary>Exponents beyond this over- or underflow whatever is scaled.</summary>
    private const int LargestScale = 0x10000;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Fsqrt, &X87Forms.Unary<SquareRoot>);
        table.Set(Code.Frndint, &X87Forms.Unary<RoundToInteger>);
        table.Set(Code.Fscale, &ScaleByNext);
        table.Set(Code.Fxtract, &Extract);
    }

    private readonly struct SquareRoot : IX87Unary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, out bool roundedUp) =>
            SoftFloat.SquareRoot(ref environment, format, a, out roundedUp);
    }

    private readonly struct RoundToInteger : IX87Unary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, out bool roundedUp) =>
            SoftFloat.RoundToIntegral(ref environment, a, suppressPrecision: false, out roundedUp);
    }

    private static Outcome ScaleByNext(CpuState* s, Instruction* i) => X87Forms.Binary<Scale>(s, i, 0, 1, pop: false);

    // SDM Vol. 2A table 3-42.
    private readonly struct Scale : IX87Binary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp)
        {
            roundedUp = false;
            if (b.IsInfinity)
            {
                return ByInfinity(ref environment, a, b);
            }

            if (a.IsZero || a.IsInfinity || b.IsZero)
            {
                return SoftFloat.Convert(ref environment, FloatFormat.Extended, a, out roundedUp);
            }

            int scale = b.Exponent < 0 ? 0 : b.Exponent >= 16 ? LargestScale : (int)(b.Significand >> (63 - b.Exponent));
            int exponent = a.Exponent + (b.Sign ? -scale : scale);
            return Rounder.Round(ref environment, FloatFormat.Extended, a.Sign, exponent, a.Significand, 0, out roundedUp);
        }

        private static Unpacked ByInfinity(ref FloatEnvironment environment, Unpacked a, Unpacked b)
        {
            if (b.Sign ? a.IsInfinity : a.IsZero)
            {
                return X87Operands.Invalid(ref environment);
            }

            return b.Sign ? new(FloatClass.Zero, a.Sign, 0, 0) : new(FloatClass.Infinity, a.Sign, 0, 1UL << 63);
        }
    }

    // ST(0) becomes the exponent, then the significand is pushed.
    private static Outcome Extract(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        if (!X87Forms.CanReplaceAndPush(s, i))
        {
            return Outcome.Next;
        }

        FloatEnvironment environment = X87Exceptions.Environment(s);
        Unpacked value = X87Registers.Read(s, 0).Unpack();
        (Unpacked exponent, Unpacked significand) = Split(ref environment, value);
        if (X87Exceptions.Record(s, i, environment))
        {
            X87Registers.Write(s, 0, exponent);
            X87Registers.Push(s, ExtendedReal.Pack(significand));
        }

        return Outcome.Next;
    }

    private static (Unpacked Exponent, Unpacked Significand) Split(ref FloatEnvironment environment, Unpacked value)
    {
        if (!X87Operands.Ordinary(ref environment, value, out Unpacked result))
        {
            return (result, result);
        }

        if (value.IsInfinity)
        {
            return (value.WithSign(false), value);
        }

        if (value.IsZero)
        {
            environment.Raised |= FloatExceptions.DivideByZero;
            return (new(FloatClass.Infinity, true, 0, 1UL << 63), value);
        }

        X87Operands.NoteDenormal(ref environment, value.Class == FloatClass.Denormal);
        return (QwordInteger.Unpack(value.Exponent), new(FloatClass.Normal, value.Sign, 0, value.Significand));
    }
}
