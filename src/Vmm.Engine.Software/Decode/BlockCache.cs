using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Translate;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// The decoded blocks of one processor, by host address, offset and mode. In front of it stand links between blocks
/// of one page and the jump cache by linear address, whose entries hold for one generation of translations.
/// </summary>
internal sealed unsafe partial class BlockCache : IDisposable
{
    private const int BucketBits = 17;

    private readonly CpuState* _state;
    private readonly Mmu _mmu;
    private readonly PhysicalAddressSpace _memory;
    private readonly BlockDecoder _decoder;
    private readonly BlockPool _pool = new();
    private readonly Block* _none;
    private readonly Block** _buckets;
    private readonly JumpCache _jumps;
    private readonly Dictionary<ulong, nint> _pages = [];
    private readonly Dictionary<ulong, nint> _secondPages = [];
    private long _clearings;

    public BlockCache(CpuState* state, Mmu mmu, PhysicalAddressSpace memory, HandlerTable handlers)
    {
        _state = state;
        _mmu = mmu;
        _memory = memory;
        _decoder = new BlockDecoder(state, mmu, handlers);
        _none = (Block*)NativeMemory.AllocZeroed((nuint)sizeof(Block));
        _none->Mode = BlockMode.None;
        _none->Successor = _none;
        _none->OtherSuccessor = _none;
        _buckets = (Block**)NativeMemory.AllocZeroed(1 << BucketBits, (nuint)sizeof(Block*));
        _jumps = new JumpCache(state, _none);
    }

    /// <summary>A block that nothing matches: where the run loop starts, and what follows a change of everything.</summary>
    public Block* None => _none;

    /// <summary>Blocks by linear address.</summary>
    public JumpCache Jumps => _jumps;

    /// <summary>What translates hot blocks to host code; null when nothing does.</summary>
    public Translator? Translator { get; init; }

    /// <summary>Times that all blocks were dropped: a pointer to a block or its code is void after the next.</summary>
    public long Clearings => _clearings;

    /// <summary>Blocks decoded so far.</summary>
    public long Decoded { get; private set; }

    /// <summary>Linear address of the next instruction.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong LinearRip(CpuState* s) => (s->BlockMode & BlockMode.SizeMask) == BlockMode.Code64 ? s->Rip : (uint)(s->Cs.Base + s->Rip);

    /// <summary>First address of the page after that of a linear address.</summary>
    public static ulong NextPage(CpuState* s, ulong linear)
    {
        ulong next = (linear | 0xFFF) + 1;
        return (s->BlockMode & BlockMode.SizeMask) == BlockMode.Code64 ? next : (uint)next;
    }

    /// <summary>The block at RIP, after <paramref name="previous"/> has run; null: a fault was raised.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Block* Next(Block* previous)
    {
        Block* next = previous->Successor;
        if (next->Rip == _state->Rip && next->Mode == _state->BlockMode)
        {
            return next;
        }

        next = previous->OtherSuccessor;
        return next->Rip == _state->Rip && next->Mode == _state->BlockMode ? next : Jump(previous);
    }

    // A link holds for as long as both blocks do: same page, mode and limit, so that no fetch right can differ.
    private Block* Jump(Block* previous)
    {
        long clearings = _clearings;
        Block* block = Lookup(_state->BlockMode);
        if (block != null && clearings == _clearings && previous->Linkable != 0 && previous->Mode == block->Mode && block->SecondPage == Block.NoPage
            && (previous->Place ^ block->Place) < 0x1000 && previous->CodeLimit == block->CodeLimit
            && (LinearOf(previous) ^ LinearOf(block)) < 0x1000)
        {
            previous->OtherSuccessor = previous->Successor;
            previous->Successor = block;
        }

        return block;
    }

    private ulong LinearOf(Block* block) =>
        (block->Mode & BlockMode.SizeMask) == BlockMode.Code64 ? block->Rip : (uint)(_state->Cs.Base + block->Rip);

    /// <summary>The block at RIP for a mode; null: a fault was raised.</summary>
    public Block* Lookup(uint mode)
    {
        ulong linear = LinearRip(_state);
        JumpEntry* entry = _jumps.At(linear, mode);
        Block* block = entry->Block;
        if (entry->Linear == linear && _jumps.Holds(entry->Key, mode) && Matches(block, mode))
        {
            return block;
        }

        block = FindOrDecode(linear, mode, out bool global);
        if (block != null)
        {
            *entry = new JumpEntry
            {
                Linear = linear,
                Key = _jumps.Key(mode, global),
                Native = NativeOf(block),
                Block = block,
            };
        }

        return block;
    }

    private byte* NativeOf(Block* block) => Translator == null ? null
        : block->Native != null && !Translator.IsIsolated ? block->Native
        : Translator.NotTranslated;

    /// <summary>Translates a block, which jumps to it will find; false: there was no room and all blocks were dropped instead.</summary>
    public bool TryTranslate(Block* block)
    {
        if (!Translator!.HasRoom)
        {
            Clear();
            return false;
        }

        Translator.Translate(block);
        JumpEntry* entry = _jumps.At(LinearOf(block), block->Mode);
        if (entry->Block == block)
        {
            entry->Native = NativeOf(block);
        }

        return true;
    }

    /// <summary>Links a translated jump to the block at RIP, which it has led to, where the link will hold.</summary>
    public void Connect(LinkSite* site, Block* block)
    {
        if (site->From->DecodedMode != block->Mode || Translator!.IsIsolated)
        {
            return;
        }

        if (site->Comparison == 0)
        {
            if ((site->From->Place ^ block->Place) < 0x1000)
            {
                Translator.Link(site, block, global: false, 0);
            }

            return;
        }

        JumpEntry* entry = _jumps.At(LinearOf(block), block->Mode);
        if (entry->Block == block && _jumps.Holds(entry->Key, block->Mode))
        {
            uint generation = (uint)(entry->Key >> 32);
            Translator.Link(site, block, generation == _jumps.Generation(global: true), generation);
        }
    }

    private bool Matches(Block* block, uint mode) =>
        block->Rip == _state->Rip && block->Mode == mode
        && ((mode & BlockMode.Limited) == 0 || block->CodeLimit == _state->Cs.Limit);

    private Block* FindOrDecode(ulong linear, uint mode, out bool global)
    {
        global = false;
        if (!_mmu.TranslateFetch(linear, out FetchTarget code))
        {
            return null;
        }

        global = code.IsGlobal;

        for (Block* block = *Bucket(code.Place); block != null; block = block->NextInBucket)
        {
            if (block->Place == code.Place && Matches(block, mode))
            {
                if (block->SecondPage == Block.NoPage)
                {
                    return block;
                }

                if (!_mmu.TranslateFetch(NextPage(_state, linear), out FetchTarget second))
                {
                    return null;
                }

                global &= second.IsGlobal;
                if ((second.Place & ~0xFFFUL) == block->SecondPage)
                {
                    return block;
                }
            }
        }

        Block* decoded = Decode(code, mode);
        global &= decoded == null || decoded->SecondPage == Block.NoPage;
        return decoded;
    }

    private Block* Decode(in FetchTarget code, uint mode)
    {
        if (!_pool.HasRoom)
        {
            Clear();
        }

        // The pages are marked first: a write by another processor from now on reports itself.
        Block* block = _pool.Peek();
        if (code.IsMemory)
        {
            _memory.MarkCode(_state, code.Place);
        }

        if (!_decoder.Decode(block, code, mode))
        {
            return null;
        }

        if (block->SecondPage != Block.NoPage && _memory.MarkCode(_state, block->SecondPage))
        {
            // Its bytes may have changed since they were read.
            if (!_decoder.Decode(block, code, mode))
            {
                return null;
            }
        }

        Decoded++;
        _pool.Take(block);
        Insert(block);
        return block;
    }

    private void Insert(Block* block)
    {
        block->Successor = _none;
        block->OtherSuccessor = _none;
        Block** bucket = Bucket(block->Place);
        block->NextInBucket = *bucket;
        *bucket = block;
        ref nint page = ref CollectionsMarshal.GetValueRefOrAddDefault(_pages, block->Place >> 12, out _);
        block->NextInPage = (Block*)page;
        page = (nint)block;
        if (block->SecondPage != Block.NoPage)
        {
            ref nint second = ref CollectionsMarshal.GetValueRefOrAddDefault(_secondPages, block->SecondPage >> 12, out _);
            block->NextInSecondPage = (Block*)second;
            second = (nint)block;
        }
    }

    /// <summary>Drops all blocks. Only between blocks, with no block kept.</summary>
    public void Clear()
    {
        NativeMemory.Clear(_buckets, (1 << BucketBits) * (nuint)sizeof(Block*));
        _jumps.Clear();
        _clearings++;
        Translator?.Clear();
        _pool.Clear();
        Forget(_pages);
        Forget(_secondPages);
    }

    private void Forget(Dictionary<ulong, nint> pages)
    {
        foreach (ulong page in pages.Keys)
        {
            _memory.UnmarkCode(_state, page << 12);
        }

        pages.Clear();
    }

    private Block** Bucket(ulong place) => _buckets + ((place ^ place >> BucketBits) & ((1 << BucketBits) - 1));

    public void Dispose()
    {
        _pool.Dispose();
        NativeMemory.Free(_none);
        NativeMemory.Free(_buckets);
        _jumps.Dispose();
    }
}
