using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>Instructions whose results the architecture gives only to a relative error; the processor's maker chooses the bits.</summary>
internal static class Approximation
{
    // Each side may err by 1.5 * 2^-12 (SDM Vol. 2, RCPPS and RSQRTPS).
    private const float ReciprocalError = 3f / 4096;

    // Units in the last place of a double-extended result (SDM Vol. 1 8.3.10: within 1 ulp; argument reduction with the
    // 66-bit pi may differ more between makers).
    private const ulong TranscendentalError = 2;

    /// <summary>Whether two vector results are near enough.</summary>
    public static bool AreClose(Mnemonic mnemonic, UInt128 ours, UInt128 theirs)
    {
        if (mnemonic is not (Mnemonic.Rcpps or Mnemonic.Rcpss or Mnemonic.Rsqrtps or Mnemonic.Rsqrtss))
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

    /// <summary>Whether two x87 results are near enough.</summary>
    public static bool AreClose(Mnemonic mnemonic, ushort ourExponent, ulong ourSignificand, ushort theirExponent, ulong theirSignificand)
    {
        if (mnemonic is not (Mnemonic.Fsin or Mnemonic.Fcos or Mnemonic.Fsincos or Mnemonic.Fptan or Mnemonic.Fpatan or Mnemonic.F2xm1
            or Mnemonic.Fyl2x or Mnemonic.Fyl2xp1))
        {
            return false;
        }

        Int128 ours = (Int128)(ourExponent & 0x7FFF) << 63 | ourSignificand & long.MaxValue;
        Int128 theirs = (Int128)(theirExponent & 0x7FFF) << 63 | theirSignificand & long.MaxValue;
        return ((ourExponent ^ theirExponent) & 0x8000) == 0 && Int128.Abs(ours - theirs) <= TranscendentalError;
    }

    private static bool AreClose(uint ours, uint theirs)
    {
        float a = BitConverter.UInt32BitsToSingle(ours);
        float b = BitConverter.UInt32BitsToSingle(theirs);
        return ours == theirs || (float.IsFinite(a) && float.IsFinite(b) && Math.Abs(a - b) <= Math.Abs(b) * ReciprocalError);
    }
}
