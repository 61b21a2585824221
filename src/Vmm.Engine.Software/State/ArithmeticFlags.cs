using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vmm.Engine.Software.State;

/// <summary>
/// The six arithmetic flags, kept unevaluated. Two words say it all: the result, sign-extended to 64 bits, gives ZF, SF
/// and PF; the carry word holds the carry out of the top bit in bit 63 (CF), the carry into it in bit 62 (OF is their
/// difference) and the carry out of bit 3 in bit 3 (AF). Flags that no result could give (POPF may set ZF and SF both)
/// are reached by two corrections in the carry word: bit 0 inverts SF, bits 15:8 are added to the parity.
/// </summary>
internal static unsafe class ArithmeticFlags
{
    public const ulong Carry = 1 << 0;
    public const ulong Parity = 1 << 2;
    public const ulong Adjust = 1 << 4;
    public const ulong Zero = 1 << 6;
    public const ulong Sign = 1 << 7;
    public const ulong Overflow = 1 << 11;
    public const ulong All = Carry | Parity | Adjust | Zero | Sign | Overflow;

    private const ulong CarryBit = 1UL << 63;
    private const ulong CarryBits = 3UL << 62;
    private const ulong AdjustBit = 8;
    private const ulong SignCorrection = 1;

    /// <summary>After AND, OR, XOR, TEST: CF, OF and AF clear.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetLogic(CpuState* s, int bits, ulong result)
    {
        s->FlagResult = (ulong)((long)(result << (64 - bits)) >> (64 - bits));
        s->FlagCarries = 0;
    }

    /// <summary>After an addition (with or without carry in) of values of <paramref name="bits"/> bits; upper bits of the operands do not matter.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetAdd(CpuState* s, int bits, ulong a, ulong b, ulong result)
    {
        SetCarries(s, bits, (a & b) | ((a | b) & ~result), result);
    }

    /// <summary>After a subtraction a - b (with or without borrow in), a comparison or a negation (a = 0).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetSubtract(CpuState* s, int bits, ulong a, ulong b, ulong result)
    {
        SetCarries(s, bits, (~a & b) | ((~a | b) & result), result);
    }

    /// <summary>INC and DEC leave CF alone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetIncrement(CpuState* s, int bits, ulong a, ulong result)
    {
        bool carry = CarryFlag(s);
        SetAdd(s, bits, a, 1, result);
        SetCarryKeepingOverflow(s, carry);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetDecrement(CpuState* s, int bits, ulong a, ulong result)
    {
        bool carry = CarryFlag(s);
        SetSubtract(s, bits, a, 1, result);
        SetCarryKeepingOverflow(s, carry);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SetCarries(CpuState* s, int bits, ulong carries, ulong result)
    {
        int shift = 64 - bits;
        s->FlagResult = (ulong)((long)(result << shift) >> shift);
        s->FlagCarries = ((carries << shift) & CarryBits) | (carries & AdjustBit);
    }

    /// <summary>Result flags from a result, CF and OF as given, AF clear: shifts, rotates through SetCarryAndOverflow, multiplications.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetResult(CpuState* s, int bits, ulong result, bool carry, bool overflow)
    {
        s->FlagResult = (ulong)((long)(result << (64 - bits)) >> (64 - bits));
        s->FlagCarries = CarryWord(carry, overflow);
    }

    /// <summary>Sets CF and OF, keeps SF, ZF, AF, PF: rotates.</summary>
    public static void SetCarryAndOverflow(CpuState* s, bool carry, bool overflow)
    {
        s->FlagCarries = (s->FlagCarries & ~CarryBits) | CarryWord(carry, overflow);
    }

    /// <summary>Sets CF, keeps all others: CLC, STC, CMC, BT.</summary>
    public static void SetCarryKeepingOverflow(CpuState* s, bool carry)
    {
        SetCarryAndOverflow(s, carry, OverflowFlag(s));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong CarryWord(bool carry, bool overflow)
    {
        ulong c = carry ? CarryBits : 0;
        return overflow ? c ^ (1UL << 62) : c;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool CarryFlag(CpuState* s) => (long)s->FlagCarries < 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ZeroFlag(CpuState* s) => s->FlagResult == 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool SignFlag(CpuState* s) => (((s->FlagResult >> 63) ^ s->FlagCarries) & 1) != 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool OverflowFlag(CpuState* s) => (long)(s->FlagCarries ^ (s->FlagCarries << 1)) < 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AdjustFlag(CpuState* s) => (s->FlagCarries & AdjustBit) != 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ParityFlag(CpuState* s) =>
        (BitOperations.PopCount((byte)(s->FlagResult ^ (s->FlagCarries >> 8))) & 1) == 0;

    /// <summary>The six flags at their places in RFLAGS.</summary>
    public static ulong Read(CpuState* s) =>
        (CarryFlag(s) ? Carry : 0) | (ParityFlag(s) ? Parity : 0) | (AdjustFlag(s) ? Adjust : 0)
        | (ZeroFlag(s) ? Zero : 0) | (SignFlag(s) ? Sign : 0) | (OverflowFlag(s) ? Overflow : 0);

    /// <summary>Sets the six flags from their places in RFLAGS.</summary>
    public static void Write(CpuState* s, ulong flags)
    {
        // A result of 0 means ZF; any other must be non-zero with an even low byte and a clear sign.
        s->FlagResult = (flags & Zero) != 0 ? 0UL : 0x100;
        ulong carries = CarryWord((flags & Carry) != 0, (flags & Overflow) != 0);
        if ((flags & Adjust) != 0)
        {
            carries |= AdjustBit;
        }

        if ((flags & Sign) != 0)
        {
            carries |= SignCorrection;
        }

        if ((flags & Parity) == 0)
        {
            carries |= 1UL << 8;
        }

        s->FlagCarries = carries;
    }

    /// <summary>RFLAGS as PUSHF sees it.</summary>
    public static ulong ReadRflags(CpuState* s) => s->SystemFlags | Read(s);

    /// <summary>Sets all of RFLAGS; the caller has applied privilege rules, and updates BlockMode when TF, VM or AC matter.</summary>
    public static void WriteRflags(CpuState* s, ulong rflags)
    {
        s->SystemFlags = (rflags & ~All) | 2;
        Write(s, rflags);
    }
}
