using System.Runtime.InteropServices;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Tests.Translate.Paging;

/// <summary>What a paged program can tell of a processor and its memory, paging structures included.</summary>
internal sealed unsafe class PagedState
{
    private static readonly string[] Names =
    [
        "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
        "RIP", "RFLAGS", "CPL", "CR0", "CR2", "CR3", "CR4", "vector registers", "stacks and variables", "tables", "pool",
    ];

    private readonly ulong[] _values = new ulong[27];

    public PagedState(CpuState* s, ReadOnlySpan<byte> memory)
    {
        new ReadOnlySpan<ulong>(s, 16).CopyTo(_values);
        ReadOnlySpan<ulong> others = [s->Rip, ArithmeticFlags.ReadRflags(s), s->Cpl, s->Cr0, s->Cr2, s->Cr3, s->Cr4];
        others.CopyTo(_values.AsSpan(16));
        ReadOnlySpan<byte> state = new(s, sizeof(CpuState));
        _values[23] = Sum(state.Slice(CpuState.VectorOffset, 16 * CpuState.VectorStride));
        _values[24] = Sum(memory[0x8000..0xF000]) ^ Sum(memory.Slice((int)PagedLayout.Variables, 0x100));
        foreach (uint space in PagedLayout.Spaces)
        {
            _values[25] = (_values[25] * 3) + Sum(memory.Slice((int)space, (int)PagedLayout.TablesLength));
        }

        _values[26] = Sum(memory.Slice((int)PagedLayout.Pool, PagedLayout.PoolPages * 0x1000));
    }

    public ulong Rip => _values[16];

    /// <summary>What differs, or null.</summary>
    public string? Difference(PagedState other)
    {
        for (int n = 0; n < _values.Length; n++)
        {
            if (_values[n] != other._values[n])
            {
                return $"{Names[n]} {_values[n]:x} and {other._values[n]:x}, at {Rip:x} and {other.Rip:x}";
            }
        }

        return null;
    }

    // Of words, each with a weight of its own.
    private static ulong Sum(ReadOnlySpan<byte> bytes)
    {
        ulong sum = 0;
        ulong weight = 0x9E37_79B9_7F4A_7C15;
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(bytes))
        {
            sum += word * weight;
            weight += 0x1_0000_0000_0002;
        }

        return sum;
    }
}
