using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// Blocks by linear address, for jumps out of a page. An entry holds for one mode and one generation of translations;
/// those of global translations outlive a change of address space, those of others hold again when theirs comes back. Translated code reads it too.
/// </summary>
/// <remarks>Unsafe invariant: the entries live as long as the cache, at the address that <see cref="CpuState.Jumps"/> has.</remarks>
internal sealed unsafe class JumpCache : IDisposable
{
    /// <summary>Number of index bits; the index is <c>linear ^ linear &gt;&gt; IndexBits</c> for code that may be translated.</summary>
    public const int IndexBits = 12;

    private const int Count = 1 << IndexBits;

    private readonly CpuState* _state;
    private readonly Block* _none;
    private readonly JumpEntry* _entries = (JumpEntry*)NativeMemory.AlignedAlloc(Count * (nuint)sizeof(JumpEntry), 64);

    public JumpCache(CpuState* state, Block* none)
    {
        _state = state;
        _none = none;
        _state->Jumps = _entries;
        Clear();
        Forget(global: true);
    }

    /// <summary>
    /// The entry for a linear address. Blocks of one instruction, in the shadow of STI say, do not take the place of the
    /// block that is there otherwise.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public JumpEntry* At(ulong linear, uint mode) =>
        _entries + ((linear ^ linear >> IndexBits ^ ((mode & BlockMode.Single) != 0 ? Count / 2u : 0)) & (Count - 1));

    /// <summary>Generation of local or global translations now.</summary>
    public uint Generation(bool global) => (uint)((global ? _state->GlobalJumpKey : _state->LocalJumpKey) >> 32);

    /// <summary>The newest generation.</summary>
    public uint LastGeneration { get; set; }

    /// <summary>Whether generations should begin anew soon. Translated jumps compare them: they must not come back.</summary>
    public bool IsExhausted => LastGeneration > uint.MaxValue / 2;

    /// <summary>Whether an entry with this key holds for a mode.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Holds(ulong key, uint mode) =>
        (uint)key == mode && (key >> 32 == _state->LocalJumpKey >> 32 || key >> 32 == _state->GlobalJumpKey >> 32);

    /// <summary>The key of an entry that is made now.</summary>
    public ulong Key(uint mode, bool global) => ((ulong)Generation(global) << 32) | mode;

    /// <summary>Linear addresses may translate differently from now on.</summary>
    /// <param name="global">Global ones too.</param>
    public void Forget(bool global)
    {
        _state->LocalJumpKey = ((ulong)++LastGeneration << 32) | _state->BlockMode;
        if (global)
        {
            _state->GlobalJumpKey = ((ulong)++LastGeneration << 32) | _state->BlockMode;
        }
    }

    /// <summary>Linear addresses translate again as they did in an earlier generation of local translations.</summary>
    public void Return(uint generation) => _state->LocalJumpKey = ((ulong)generation << 32) | _state->BlockMode;

    /// <summary>Generations begin anew: everything that knows of one is gone.</summary>
    public void Restart()
    {
        Clear();
        LastGeneration = 0;
        Forget(global: true);
    }

    /// <summary>Drops all entries.</summary>
    public void Clear()
    {
        for (int n = 0; n < Count; n++)
        {
            _entries[n] = new JumpEntry { Block = _none };
        }
    }

    public void Dispose() => NativeMemory.AlignedFree(_entries);
}

/// <summary>An entry of the <see cref="JumpCache"/>. Key 0 is of no generation.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct JumpEntry
{
    public ulong Linear;

    /// <summary>Mode below, generation above; compared with <see cref="CpuState.LocalJumpKey"/> and <see cref="CpuState.GlobalJumpKey"/>.</summary>
    public ulong Key;

    /// <summary>The block's translation, or the way back to the run loop.</summary>
    public byte* Native;

    public Block* Block;
}
