using System.Numerics;

namespace Vmm.Kernel;

/// <summary>256 bits, one a vector: IRR, ISR, TMR. Every change is atomic, so any thread may set bits.</summary>
internal sealed class VectorSet
{
    /// <summary>32-bit registers that show a set.</summary>
    public const int Words = 8;

    private readonly ulong[] _bits = new ulong[4];

    public bool this[int vector] => (Volatile.Read(ref _bits[vector >> 6]) & (1UL << vector)) != 0;

    /// <summary>Sets a bit.</summary>
    /// <returns>Whether it was clear.</returns>
    public bool Set(int vector) => (Interlocked.Or(ref _bits[vector >> 6], 1UL << vector) & (1UL << vector)) == 0;

    public void Clear(int vector) => Interlocked.And(ref _bits[vector >> 6], ~(1UL << vector));

    public void Put(int vector, bool value)
    {
        if (value)
        {
            Set(vector);
        }
        else
        {
            Clear(vector);
        }
    }

    /// <summary>The highest vector in the set, or -1.</summary>
    public int Highest()
    {
        for (int i = 3; i >= 0; i--)
        {
            ulong bits = Volatile.Read(ref _bits[i]);
            if (bits != 0)
            {
                return (i << 6) + BitOperations.Log2(bits);
            }
        }

        return -1;
    }

    public void Reset() => Array.Clear(_bits);

    /// <summary>Sets the whole set from its eight registers; the reserved vectors 0 to 15 stay clear.</summary>
    public void Load(ReadOnlySpan<uint> words)
    {
        for (int i = 0; i < _bits.Length; i++)
        {
            _bits[i] = words[2 * i] | ((ulong)words[(2 * i) + 1] << 32);
        }

        _bits[0] &= ~0xFFFFUL;
    }

    /// <summary>Bits 32 × index and up, as one of the eight registers of the set shows them.</summary>
    public uint Word(int index) => (uint)(Volatile.Read(ref _bits[index >> 1]) >> (32 * (index & 1)));
}
