namespace Vmm.Vmx;

/// <summary>IA32_PAT (SDM Vol. 3A 12.12.2): eight memory types, one a byte.</summary>
public static class PageAttributeTable
{
    /// <summary>Value after reset: WB, WT, UC-, UC, twice.</summary>
    public const ulong ResetValue = 0x0007_0406_0007_0406;

    /// <summary>Whether every byte is a memory type: 0, 1, 4, 5, 6 or 7.</summary>
    public static bool IsValid(ulong value)
    {
        // Bits 7:3 of each byte are reserved; 2 and 3 are the types with bit 1 but not bit 2
        const ulong High = 0xF8F8_F8F8_F8F8_F8F8;
        const ulong Bit1 = 0x0202_0202_0202_0202;
        return (value & High) == 0 && (value & Bit1 & ~(value >> 1)) == 0;
    }
}
