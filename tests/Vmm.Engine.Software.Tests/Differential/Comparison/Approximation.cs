using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>Instructions whose results the architecture gives only to a relative error; the processor's maker chooses the bits.</summary>
internal static class Approximation
{
    // Each side may err by 1.5 * 2^-12 (SDM Vol. 2, RCPPS and RSQRTPS).
    private const float ReciprocalError = 3f / 4096;

    private const uint TinyReciprocal = 0x0080_3000;

    // Units in the last place of a double-extended result (SDM Vol. 1 8.3.10: within 1 ulp; argument reduction with the
    // 66-bit pi may differ more between makers).
    private const ulong TranscendentalError = 2;

    private const int UnderflowScale = 0x6000;

    // UE, ES and B of the status word; UM of the control word is where UE is.
    private const ushort Underflow = 0x10;
    private const ushort ErrorSummary = 0x80;
    private const ushort Busy = 0x8000;

    public static bool IsTranscendental(Mnemonic mnemonic) => mnemonic is
        Mnemonic.Fsin or Mnemonic.Fcos or Mnemonic.Fsincos or Mnemonic.Fptan or Mnemonic.Fpatan or Mnemonic.F2xm1 or Mnemonic.Fyl2x or Mnemonic.Fyl2xp1;

    /// <summary>
    /// F2XM1 beyond -1 to 1 and FYL2XP1 beyond sqrt(1/2) - 1 to 1 - sqrt(1/2) have undefined results (SDM Vol. 2A).
    /// At -1 and 1 makers differ in whether the exact result counts as inexact.
    /// </summary>
    public static bool IsOutOfRange(Mnemonic mnemonic, ushort exponent, ulong significand) => mnemonic switch
    {
        Mnemonic.F2xm1 => IsFiniteFrom(exponent, significand, 0x3FFF, 1UL << 63),
        Mnemonic.Fyl2xp1 => IsFiniteFrom(exponent, significand, 0x3FFD, 0x95F6_1998_0C43_36F7),
        _ => false,
    };

    private static bool IsFiniteFrom(ushort exponent, ulong significand, int firstExponent, ulong firstSignificand)
    {
        int magnitude = exponent & 0x7FFF;
        return magnitude != 0x7FFF && (magnitude > firstExponent || (magnitude == firstExponent && significand >= firstSignificand));
    }

    /// <summary>Whether two vector results are near enough.</summary>
    public static bool AreClose(Mnemonic mnemonic, UInt128 ours, UInt128 theirs)
    {
        if (mnemonic is Mnemonic.Dpps or Mnemonic.Dppd or Mnemonic.Vdpps or Mnemonic.Vdppd)
        {
            return AreSumsOfNaNs(mnemonic is Mnemonic.Dpps or Mnemonic.Vdpps, ours, theirs);
        }

        if (mnemonic is not (Mnemonic.Rcpps or Mnemonic.Rcpss or Mnemonic.Rsqrtps or Mnemonic.Rsqrtss
            or Mnemonic.Vrcpps or Mnemonic.Vrcpss or Mnemonic.Vrsqrtps or Mnemonic.Vrsqrtss))
        {
            return false;
        }

        for (int n = 0; n < 128; n += 32)
        {
            if (!AreClose((uint)(ours >> n), (uint)(theirs >> n)))
            {
                return false;
            }
        }

        return true;
    }

    // The SDM gives the sums of DPPS without an order: of several NaNs any may come out, and in each element another.
    private static bool AreSumsOfNaNs(bool singles, UInt128 ours, UInt128 theirs)
    {
        for (int n = 0; n < 128; n += singles ? 32 : 64)
        {
            bool areNaNs = singles
                ? float.IsNaN(BitConverter.UInt32BitsToSingle((uint)(ours >> n))) && float.IsNaN(BitConverter.UInt32BitsToSingle((uint)(theirs >> n)))
                : double.IsNaN(BitConverter.UInt64BitsToDouble((ulong)(ours >> n))) && double.IsNaN(BitConverter.UInt64BitsToDouble((ulong)(theirs >> n)));
            UInt128 element = (singles ? uint.MaxValue : ulong.MaxValue) & ((ours ^ theirs) >> n);
            if (element != UInt128.Zero && !areNaNs)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether two x87 results are near enough.</summary>
    public static bool AreClose(Mnemonic mnemonic, ushort ourExponent, ulong ourSignificand, ushort theirExponent, ulong theirSignificand)
    {
        if (!IsTranscendental(mnemonic))
        {
            return false;
        }

        Int128 difference = Magnitude(ourExponent, ourSignificand, theirExponent) - Magnitude(theirExponent, theirSignificand, ourExponent);
        return ((ourExponent ^ theirExponent) & 0x8000) == 0 && Int128.Abs(difference) <= TranscendentalError;
    }

    /// <summary>
    /// The status bits that are not compared because a result is so near to the least normal number that one approximation
    /// may underflow where another does not (SDM Vol. 1 4.9.1.5 and 8.3.10). FSINCOS and FPTAN leave it below the top.
    /// </summary>
    public static unsafe ushort UndefinedStatus(Mnemonic mnemonic, byte* ours, byte* theirs)
    {
        if (!IsTranscendental(mnemonic)
            || !(IsAboutLeastNormal(ours, 0) || IsAboutLeastNormal(theirs, 0) || IsAboutLeastNormal(ours, 1) || IsAboutLeastNormal(theirs, 1)))
        {
            return 0;
        }

        bool masked = (*(ushort*)(ours + FxImage.ControlWord) & Underflow) != 0;
        return masked ? Underflow : (ushort)(Underflow | ErrorSummary | Busy);
    }

    // In units of the last place. A tiny result of an unmasked underflow is scaled (SDM Vol. 1 8.5.5); where the other was
    // not tiny, the scale is taken out.
    private static Int128 Magnitude(ushort exponent, ulong significand, ushort otherExponent)
    {
        int magnitude = exponent & 0x7FFF;
        bool isScaled = magnitude is UnderflowScale or UnderflowScale + 1 && (otherExponent & 0x7FFF) <= 1;
        return (Int128)(isScaled ? magnitude - UnderflowScale : magnitude) << 63 | significand & long.MaxValue;
    }

    private static unsafe bool IsAboutLeastNormal(byte* image, int register)
    {
        byte* value = image + FxImage.StackRegisters + (register * 16);
        int exponent = *(ushort*)(value + 8) & 0x7FFF;
        return exponent <= 1 && *(ulong*)value - ((1UL << 63) - TranscendentalError) <= 2 * TranscendentalError;
    }

    private static bool AreClose(uint ours, uint theirs)
    {
        float a = BitConverter.UInt32BitsToSingle(ours);
        float b = BitConverter.UInt32BitsToSingle(theirs);
        return ours == theirs || IsTinyEither(ours, theirs) || (float.IsFinite(a) && float.IsFinite(b) && Math.Abs(a - b) <= Math.Abs(b) * ReciprocalError);
    }

    // Around the least normal number a reciprocal may be flushed to zero or not.
    private static bool IsTinyEither(uint ours, uint theirs) =>
        ((ours ^ theirs) & 0x8000_0000) == 0 && (ours & 0x7FFF_FFFF) <= TinyReciprocal && (theirs & 0x7FFF_FFFF) <= TinyReciprocal;
}
