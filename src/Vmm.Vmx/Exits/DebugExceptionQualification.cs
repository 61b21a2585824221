namespace Vmm.Vmx;

/// <summary>Exit qualification of debug exceptions (SDM Vol. 3C 28.2.1, table 28-1).</summary>
/// <param name="Value">The qualification.</param>
public readonly record struct DebugExceptionQualification(ulong Value)
{
    /// <summary>Encodes a debug exception; <see cref="Dr6Bits.Bt"/> never causes this exit.</summary>
    /// <param name="causes">B0 to B3, BD and BS.</param>
    public static DebugExceptionQualification Create(Dr6Bits causes)
        => new((ulong)(causes & (Dr6Bits.B0 | Dr6Bits.B1 | Dr6Bits.B2 | Dr6Bits.B3 | Dr6Bits.Bd | Dr6Bits.Bs)));

    /// <summary>B0 to B3, BD and BS, at their places in DR6.</summary>
    public Dr6Bits Causes => (Dr6Bits)(Value & (ulong)(Dr6Bits.B0 | Dr6Bits.B1 | Dr6Bits.B2 | Dr6Bits.B3 | Dr6Bits.Bd | Dr6Bits.Bs));

    public override string ToString() => Causes.ToString();
}
