using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>F2XM1, FYL2X and FYL2XP1 (SDM Vol. 1 8.3.9).</summary>
internal static unsafe class Logarithms
{
    private const ulong IntegerBit = 1UL << 63;

    /// <summary>Significand of √2, where logarithms change from one power of two to the next.</summary>
    private const ulong RootOfTwo = 0xB504_F333_F9DE_6484;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.F2xm1, &X87Forms.Unary<ExponentialLessOne>);
        table.Set(Code.Fyl2x, &ScaledLogarithm);
        table.Set(Code.Fyl2xp1, &ScaledLogarithmOfOnePlus);
    }

    private static Outcome ScaledLogarithm(CpuState* s, Instruction* i) => X87Forms.Binary<Logarithm>(s, i, 1, 0, pop: true);

    private static Outcome ScaledLogarithmOfOnePlus(CpuState* s, Instruction* i) => X87Forms.Binary<LogarithmOfOnePlus>(s, i, 1, 0, pop: true);

    /// <summary>2^x - 1 for |x| of at most 1. Beyond, the result is undefined: the argument, or the limit for infinities.</summary>
    private readonly struct ExponentialLessOne : IX87Unary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, out bool roundedUp)
        {
            roundedUp = false;
            if (a.IsZero)
            {
                return a;
            }

            if (a.IsInfinity)
            {
                return a.Sign ? new(FloatClass.Normal, true, 0, IntegerBit) : a;
            }

            if (a.Exponent >= 0)
            {
                bool halves = a is { Exponent: 0, Significand: IntegerBit, Sign: true };
                return halves ? a with { Exponent = -1 } : a;
            }

            WideFloat x = WideFloat.From(a) * WideFloat.LogTwo;
            UInt128 series = FixedPoint.ExponentialOverArgument(x.ToFraction(), a.Sign);
            return (x * WideFloat.From(false, 0, series)).Round(ref environment, out roundedUp);
        }
    }

    /// <summary>y · log2(x) (SDM Vol. 2A table 3-48).</summary>
    private readonly struct Logarithm : IX87Binary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked y, Unpacked x, out bool roundedUp)
        {
            roundedUp = false;
            if (x.Sign && !x.IsZero)
            {
                return X87Operands.Invalid(ref environment);
            }

            if (x.IsZero)
            {
                return OfZero(ref environment, y);
            }

            bool belowOne = !x.IsInfinity && x.Exponent < 0;
            bool isOne = x is { IsInfinity: false, Exponent: 0, Significand: IntegerBit };
            if (x.IsInfinity || y.IsInfinity)
            {
                return y.IsZero || isOne
                    ? X87Operands.Invalid(ref environment)
                    : new(FloatClass.Infinity, y.Sign != belowOne, 0, IntegerBit);
            }

            if (y.IsZero || isOne)
            {
                return new(FloatClass.Zero, y.Sign != belowOne, 0, 0);
            }

            if (x.Significand == IntegerBit)
            {
                // A power of two: the logarithm is exact. Processors report it as any other.
                Unpacked product = SoftFloat.Multiply(ref environment, FloatFormat.Extended, y, QwordInteger.Unpack(x.Exponent), out roundedUp);
                environment.Raised |= FloatExceptions.Precision | (product.Class == FloatClass.Denormal ? FloatExceptions.Underflow : 0);
                return product;
            }

            return (WideFloat.From(y) * OfNumber(x)).Round(ref environment, out roundedUp);
        }

        private static Unpacked OfZero(ref FloatEnvironment environment, Unpacked y)
        {
            if (y.IsZero)
            {
                return X87Operands.Invalid(ref environment);
            }

            if (!y.IsInfinity)
            {
                environment.Raised |= FloatExceptions.DivideByZero;
            }

            return new(FloatClass.Infinity, !y.Sign, 0, IntegerBit);
        }
    }

    /// <summary>y · log2(1 + x) for x from √½ - 1 to √2 - 1 (SDM Vol. 2A table 3-49); correct beyond, down to -1.</summary>
    private readonly struct LogarithmOfOnePlus : IX87Binary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked y, Unpacked x, out bool roundedUp)
        {
            roundedUp = false;
            if (x.Sign && !x.IsZero && (x.IsInfinity || x.Exponent >= 0))
            {
                return X87Operands.Invalid(ref environment);
            }

            if (x.IsInfinity || y.IsInfinity)
            {
                return x.IsZero || y.IsZero
                    ? X87Operands.Invalid(ref environment)
                    : new(FloatClass.Infinity, y.Sign != x.Sign, 0, IntegerBit);
            }

            if (x.IsZero || y.IsZero)
            {
                return new(FloatClass.Zero, y.Sign != x.Sign, 0, 0);
            }

            return (WideFloat.From(y) * OfOnePlus(WideFloat.From(x))).Round(ref environment, out roundedUp);
        }
    }

    /// <summary>log2 of a positive number that is no power of two.</summary>
    private static WideFloat OfNumber(Unpacked x)
    {
        bool upper = x.Significand > RootOfTwo;
        WideFloat mantissa = new(false, upper ? -1 : 0, new UInt128(x.Significand, 0));
        return WideFloat.From(x.Exponent + (upper ? 1 : 0)) + OfQuotient(mantissa - WideFloat.One, mantissa + WideFloat.One);
    }

    private static WideFloat OfOnePlus(WideFloat x)
    {
        WideFloat sum = WideFloat.One + x;
        if (x.Exponent < -2)
        {
            return OfQuotient(x, WideFloat.One + sum);
        }

        bool upper = (ulong)(sum.Significand >> 64) > RootOfTwo;
        WideFloat mantissa = sum with { Exponent = upper ? -1 : 0 };
        return WideFloat.From(sum.Exponent + (upper ? 1 : 0)) + OfQuotient(mantissa - WideFloat.One, mantissa + WideFloat.One);
    }

    /// <summary>log2((1 + s)/(1 - s)) for s = numerator/denominator between -0.172 and 0.172.</summary>
    private static WideFloat OfQuotient(WideFloat numerator, WideFloat denominator)
    {
        if (numerator.IsZero)
        {
            return numerator;
        }

        WideFloat s = numerator / denominator;
        UInt128 series = FixedPoint.AreaTangentOverArgument((s * s).ToFraction());
        return (s * WideFloat.From(false, 0, series) * WideFloat.Log2E).Scaled(1);
    }
}
