using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>FPATAN: the angle of the point (ST(0), ST(1)), in (-π, π]; every pair of numbers has one (SDM Vol. 2A table 3-30).</summary>
internal static unsafe class ArcTangent
{
    /// <summary>Below this exponent the arc tangent is its argument, less a little that only rounding sees.</summary>
    private const int TinyExponent = -66;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Fpatan, &Execute);
    }

    private static Outcome Execute(CpuState* s, Instruction* i) => X87Forms.Binary<Angle>(s, i, 1, 0, pop: true);

    private readonly struct Angle : IX87Binary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked y, Unpacked x, out bool roundedUp)
        {
            roundedUp = false;
            WideFloat angle;
            if (y.IsZero || (x.IsInfinity && !y.IsInfinity))
            {
                if (!x.Sign)
                {
                    return new(FloatClass.Zero, y.Sign, 0, 0);
                }

                angle = WideFloat.Pi;
            }
            else if (x.IsZero || (y.IsInfinity && !x.IsInfinity))
            {
                angle = WideFloat.Pi.Scaled(-1);
            }
            else if (y.IsInfinity)
            {
                WideFloat quarter = WideFloat.Pi.Scaled(-2);
                angle = x.Sign ? WideFloat.Pi - quarter : quarter;
            }
            else
            {
                angle = OfPoint(WideFloat.From(y.WithSign(false)), WideFloat.From(x.WithSign(false)), x.Sign);
            }

            return (angle with { Sign = y.Sign }).Round(ref environment, out roundedUp);
        }

        private static WideFloat OfPoint(WideFloat y, WideFloat x, bool left)
        {
            bool steep = y.Exponent > x.Exponent || (y.Exponent == x.Exponent && y.Significand > x.Significand);
            WideFloat angle = OfRatio(steep ? x / y : y / x);
            if (steep)
            {
                return left ? WideFloat.Pi.Scaled(-1) + angle : WideFloat.Pi.Scaled(-1) - angle;
            }

            return left ? WideFloat.Pi - angle : angle;
        }

        /// <summary>The arc tangent of a ratio of at most 1.</summary>
        private static WideFloat OfRatio(WideFloat ratio)
        {
            if (ratio.Exponent < TinyExponent)
            {
                return ratio * WideFloat.From(false, 0, FixedPoint.One - 4);
            }

            WideFloat square = ratio * ratio;
            WideFloat hypotenuse = WideFloat.One + square;
            UInt128 series = FixedPoint.EulerArcTangent((square / hypotenuse).ToFraction());
            return ratio / hypotenuse * WideFloat.From(false, 0, series);
        }
    }
}
