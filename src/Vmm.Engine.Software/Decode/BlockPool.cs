using System.Runtime.InteropServices;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// Storage of one processor's blocks: handed out in order, taken back all at once.
/// </summary>
/// <remarks>Unsafe invariant: blocks are used by the owning processor's thread only, and none is used after <see cref="Clear"/>.</remarks>
internal sealed unsafe class BlockPool : IDisposable
{
    /// <summary>Most guest instructions in one block.</summary>
    public const int MaximumInstructions = 64;

    // Physical memory is taken as it is touched.
    private const int Capacity = 40 << 20;

    private static readonly int LargestBlock = sizeof(Block) + (MaximumInstructions + 1) * sizeof(Instruction);

    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Capacity, 64);
    private int _used;

    /// <summary>Whether the largest block still fits.</summary>
    public bool HasRoom => _used <= Capacity - LargestBlock;

    /// <summary>Room for the largest block; nothing is taken until <see cref="Take"/>.</summary>
    public Block* Peek() => (Block*)(_memory + _used);

    /// <summary>Takes the block at <see cref="Peek"/>, with as many instructions as it says.</summary>
    public void Take(Block* block) => _used += sizeof(Block) + block->SlotCount * sizeof(Instruction);

    public void Clear() => _used = 0;

    public void Dispose() => NativeMemory.AlignedFree(_memory);
}
