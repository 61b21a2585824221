using Vmm.Engine.Software.FloatingPoint;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>ST(destination) = operation(ST(destination), source). Operands are neither NaNs nor unsupported.</summary>
internal interface IX87Binary
{
    static abstract Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp);
}

/// <summary>ST(0) = operation(ST(0)). The operand is neither a NaN nor unsupported.</summary>
internal interface IX87Unary
{
    static abstract Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, out bool roundedUp);
}

/// <summary>What is common to all operations: NaNs, unsupported encodings and denormals (SDM Vol. 1 4.8.3.5, 8.5.1, 8.5.2).</summary>
internal static class X87Operands
{
    private const FloatExceptions HidesDenormal = FloatExceptions.Invalid | FloatExceptions.DivideByZero;

    public static Unpacked Compute<T>(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp)
        where T : struct, IX87Binary
    {
        roundedUp = false;
        if (!Ordinary(ref environment, a, b, out Unpacked result))
        {
            return result;
        }

        result = T.Apply(ref environment, format, a, b, out roundedUp);
        NoteDenormal(ref environment, a.Class == FloatClass.Denormal || b.Class == FloatClass.Denormal);
        return X87Exceptions.Adjust(ref environment, result, ref roundedUp);
    }

    public static Unpacked Compute<T>(ref FloatEnvironment environment, FloatFormat format, Unpacked a, out bool roundedUp)
        where T : struct, IX87Unary
    {
        roundedUp = false;
        if (!Ordinary(ref environment, a, out Unpacked result))
        {
            return result;
        }

        result = T.Apply(ref environment, format, a, out roundedUp);
        NoteDenormal(ref environment, a.Class == FloatClass.Denormal);
        return X87Exceptions.Adjust(ref environment, result, ref roundedUp);
    }

    /// <summary>Flags a denormal operand, unless an exception of higher priority came first (SDM Vol. 1 4.9.2).</summary>
    public static void NoteDenormal(ref FloatEnvironment environment, bool denormal)
    {
        if (denormal && (environment.Raised & HidesDenormal) == 0)
        {
            environment.Raised |= FloatExceptions.Denormal;
        }
    }

    /// <summary>False: the operand decides the result.</summary>
    public static bool Ordinary(ref FloatEnvironment environment, Unpacked a, out Unpacked result)
    {
        result = a;
        if (a.Class == FloatClass.Unsupported)
        {
            result = Invalid(ref environment);
            return false;
        }

        if (!a.IsNaN)
        {
            return true;
        }

        NoteSignaling(ref environment, a.Class == FloatClass.SignalingNaN);
        result = a.Quieted();
        return false;
    }

    /// <summary>False: an operand decides the result.</summary>
    public static bool Ordinary(ref FloatEnvironment environment, Unpacked a, Unpacked b, out Unpacked result)
    {
        result = default;
        if (a.Class == FloatClass.Unsupported || b.Class == FloatClass.Unsupported)
        {
            result = Invalid(ref environment);
            return false;
        }

        if (!a.IsNaN && !b.IsNaN)
        {
            return true;
        }

        NoteSignaling(ref environment, a.Class == FloatClass.SignalingNaN || b.Class == FloatClass.SignalingNaN);
        result = Choose(a, b).Quieted();
        return false;
    }

    public static Unpacked Invalid(ref FloatEnvironment environment)
    {
        environment.Raised |= FloatExceptions.Invalid;
        return Unpacked.Indefinite;
    }

    private static void NoteSignaling(ref FloatEnvironment environment, bool signaling)
    {
        if (signaling)
        {
            environment.Raised |= FloatExceptions.Invalid;
        }
    }

    // SDM Vol. 1 table 4-7: a quiet NaN before a signalling one; of two alike the larger significand, then the positive.
    private static Unpacked Choose(Unpacked a, Unpacked b)
    {
        if (!a.IsNaN || !b.IsNaN)
        {
            return a.IsNaN ? a : b;
        }

        if (a.Class != b.Class)
        {
            return a.Class == FloatClass.QuietNaN ? a : b;
        }

        return a.Significand != b.Significand ? a.Significand > b.Significand ? a : b : a.Sign ? b : a;
    }
}
