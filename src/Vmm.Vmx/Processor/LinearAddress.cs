namespace Vmm.Vmx;

/// <summary>Facts about 64-bit linear addresses with 4-level paging.</summary>
public static class LinearAddress
{
    /// <summary>Implemented bits.</summary>
    public const int Bits = 48;

    /// <summary>Whether bits 63:47 are all equal (SDM Vol. 1 3.3.7.1).</summary>
    public static bool IsCanonical(ulong address) => (ulong)((long)(address << (64 - Bits)) >> (64 - Bits)) == address;
}
