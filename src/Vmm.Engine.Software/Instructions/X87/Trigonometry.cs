using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>FSIN, FCOS, FSINCOS and FPTAN (SDM Vol. 1 8.3.7). Arguments of 2^63 and more are left alone with C2 set.</summary>
internal static unsafe class Trigonometry
{
    /// <summary>First exponent that is out of range.</summary>
    private const int RangeExponent = 63;

    private static readonly ExtendedReal OneReal = new(1UL << 63, 0x3FFF);

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Fsin, &Replace<SineResult>);
        table.Set(Code.Fcos, &Replace<CosineResult>);
        table.Set(Code.Fsincos, &SineAndCosine);
        table.Set(Code.Fptan, &PartialTangent);
    }

    private interface IResult
    {
        static abstract Unpacked Of(ref FloatEnvironment environment, Unpacked a, out bool roundedUp);
    }

    private readonly struct SineResult : IResult
    {
        public static Unpacked Of(ref FloatEnvironment environment, Unpacked a, out bool roundedUp)
        {
            roundedUp = false;
            return a.IsZero ? a : new ReducedAngle(a).Sine().Round(ref environment, out roundedUp);
        }
    }

    private readonly struct CosineResult : IResult
    {
        public static Unpacked Of(ref FloatEnvironment environment, Unpacked a, out bool roundedUp)
        {
            roundedUp = false;
            return a.IsZero ? OneReal.Unpack() : new ReducedAngle(a).Cosine().Round(ref environment, out roundedUp);
        }
    }

    private readonly struct TangentResult : IResult
    {
        public static Unpacked Of(ref FloatEnvironment environment, Unpacked a, out bool roundedUp)
        {
            roundedUp = false;
            if (a.IsZero)
            {
                return a;
            }

            ReducedAngle angle = new(a);
            return angle.Tangent().Round(ref environment, out roundedUp);
        }
    }

    private static Outcome Replace<T>(CpuState* s, Instruction* i) where T : struct, IResult
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        Begin(s, i);
        if (X87Registers.IsEmpty(s, 0))
        {
            X87Forms.Underflow(s, i, 0, pop: false);
        }
        else if (Compute<T>(s, out FloatEnvironment environment, out Unpacked result, out bool roundedUp)
            && X87Exceptions.Record(s, i, environment, roundedUp))
        {
            X87Registers.Write(s, 0, result);
        }

        return Outcome.Next;
    }

    private static Outcome SineAndCosine(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        Begin(s, i);
        if (!X87Forms.CanReplaceAndPush(s, i)
            || !Compute<SineResult>(s, out FloatEnvironment environment, out Unpacked sine, out _)
            || !Compute<CosineResult>(s, out FloatEnvironment other, out Unpacked cosine, out bool roundedUp))
        {
            return Outcome.Next;
        }

        environment.Raised |= other.Raised;
        if (X87Exceptions.Record(s, i, environment, roundedUp))
        {
            X87Registers.Write(s, 0, sine);
            X87Registers.Push(s, ExtendedReal.Pack(cosine));
        }

        return Outcome.Next;
    }

    // Tangent, then 1 for compatibility with the 8087; a NaN is pushed as the tangent is.
    private static Outcome PartialTangent(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        Begin(s, i);
        if (X87Forms.CanReplaceAndPush(s, i)
            && Compute<TangentResult>(s, out FloatEnvironment environment, out Unpacked tangent, out bool roundedUp)
            && X87Exceptions.Record(s, i, environment, roundedUp))
        {
            X87Registers.Write(s, 0, tangent);
            X87Registers.Push(s, tangent.IsNaN ? ExtendedReal.Pack(tangent) : OneReal);
        }

        return Outcome.Next;
    }

    private static void Begin(CpuState* s, Instruction* i)
    {
        X87Exceptions.Begin(s, i);
        s->FpuStatus &= unchecked((ushort)~X87Control.C2);
    }

    /// <summary>False: out of range, C2 is set.</summary>
    private static bool Compute<T>(CpuState* s, out FloatEnvironment environment, out Unpacked result, out bool roundedUp) where T : struct, IResult
    {
        roundedUp = false;
        environment = X87Exceptions.Environment(s);
        Unpacked a = X87Registers.Read(s, 0).Unpack();
        if (!X87Operands.Ordinary(ref environment, a, out result))
        {
            return true;
        }

        if (a.IsInfinity)
        {
            result = X87Operands.Invalid(ref environment);
            return true;
        }

        if (a.Exponent >= RangeExponent)
        {
            s->FpuStatus |= X87Control.C2;
            return false;
        }

        result = T.Of(ref environment, a, out roundedUp);
        X87Operands.NoteDenormal(ref environment, a.Class == FloatClass.Denormal);
        result = X87Exceptions.Adjust(ref environment, result, ref roundedUp);
        return true;
    }
}
