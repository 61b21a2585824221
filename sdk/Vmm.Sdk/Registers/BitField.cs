namespace Vmm.Sdk;

/// <summary>A field of a register: <c>static readonly BitField Divisor = new(4, 3);</c></summary>
/// <param name="Low">Number of the lowest bit, 0 to 63.</param>
/// <param name="Width">Number of bits, 1 to 64 less <paramref name="Low"/>.</param>
public readonly record struct BitField(int Low, int Width)
{
    /// <summary>The bits of the field, in place.</summary>
    public ulong Mask => (Width >= 64 ? ulong.MaxValue : (1UL << Width) - 1) << Low;

    /// <summary>Reads the field.</summary>
    /// <param name="register">The register.</param>
    /// <returns>The value of the field, at bit 0.</returns>
    public ulong Get(ulong register) => (register & Mask) >> Low;

    /// <summary>Replaces the field.</summary>
    /// <param name="register">The register.</param>
    /// <param name="value">The new value of the field; bits that do not fit are dropped.</param>
    /// <returns>The register with the field replaced.</returns>
    public ulong Set(ulong register, ulong value) => (register & ~Mask) | ((value << Low) & Mask);
}
