using Vmm.Engine.Software.FloatingPoint;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>An angle taken to the first octant, with the quadrant that it was in.</summary>
internal readonly struct ReducedAngle
{
    /// <summary>π/2 of the processor, exactly: 66 bits, in units of 2^-67 (SDM Vol. 1 8.3.8).</summary>
    private static readonly UInt128 HalfPi = new(0xC, 0x90FD_AA22_168C_234C);

    private const int HalfPiScale = 67;

    /// <summary>Below this exponent an angle is in the first octant already.</summary>
    private const int SmallestReduced = -1;

    /// <summary>Below this exponent the tangent is its argument and a little more that only rounding sees.</summary>
    private const int TinyExponent = -66;

    private readonly WideFloat _angle;
    private readonly int _quadrant;
    private readonly bool _complement;
    private readonly bool _sign;

    /// <summary>A finite angle below 2^63, not zero.</summary>
    public ReducedAngle(Unpacked angle)
    {
        _sign = angle.Sign;
        if (angle.Exponent < SmallestReduced)
        {
            _angle = WideFloat.From(angle.WithSign(false));
            return;
        }

        // The remainder by π/2 is exact; of the quotient only the quadrant matters.
        UInt128 rest = angle.Significand;
        for (int n = angle.Exponent - 63 + HalfPiScale; n > 0; n--)
        {
            rest <<= 1;
            _quadrant <<= 1;
            if (rest >= HalfPi)
            {
                rest -= HalfPi;
                _quadrant |= 1;
            }
        }

        _quadrant &= 3;
        _complement = rest > HalfPi >> 1;
        _angle = WideFloat.From(false, 127 - HalfPiScale, _complement ? HalfPi - rest : rest);
    }

    public WideFloat Sine()
    {
        bool cosine = ((_quadrant & 1) != 0) != _complement;
        return Value(cosine) with { Sign = _sign != (_quadrant >= 2) };
    }

    public WideFloat Cosine()
    {
        bool cosine = ((_quadrant & 1) == 0) != _complement;
        return Value(cosine) with { Sign = _quadrant is 1 or 2 };
    }

    public WideFloat Tangent() =>
        _angle.Exponent < TinyExponent && _quadrant == 0 && !_complement
            ? (_angle * WideFloat.From(false, 0, FixedPoint.One + 4)) with { Sign = _sign }
            : Sine() / Cosine();

    private WideFloat Value(bool cosine)
    {
        UInt128 square = (_angle * _angle).ToFraction();
        return cosine
            ? WideFloat.From(false, 0, FixedPoint.Cosine(square))
            : _angle * WideFloat.From(false, 0, FixedPoint.SineOverArgument(square));
    }
}
