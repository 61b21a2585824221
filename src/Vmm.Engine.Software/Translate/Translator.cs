using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>The translations of one processor: makes them, links them, runs them, forgets them.</summary>
/// <remarks>Unsafe invariant: a block's <see cref="Block.Native"/> points into the code memory of the processor that owns the block.</remarks>
internal sealed unsafe class Translator : IDisposable
{
    private const int CodeSize = 64 << 20;

    // What a dropped block's code begins with: a jump, and the way out that it leads to until it is linked.
    private static readonly int Tombstone = 2 * NearJump + sizeof(LinkSite);
    private const int NearJump = 5;

    private readonly CpuState* _state;
    private readonly CodeMemory _memory = new(CodeSize);
    private readonly Emitter _emitter;
    private readonly Trampolines _trampolines;
    private readonly BlockTranslator _blocks;
    private readonly delegate* unmanaged<CpuState*, byte*, NativeExit> _enter;
    private readonly int _firstBlock;
    private readonly bool _countsBlocks;

    // The interpreter's form of the flags that the image was last made from, or made into.
    private ulong _imageResult;
    private ulong _imageCarries;

    private long _translations;
    private long _drops;
    private long _links;
    private long _entries;
    private long _interpretations;
    private long _resumptions;

    /// <param name="state">State of the processor.</param>
    /// <param name="handlers">What the interpreter implements.</param>
    /// <param name="isolated">Whether each block ends in the run loop with all flags kept, for comparison with the interpreter.</param>
    /// <param name="countsBlocks">Whether translated code counts the blocks that it runs.</param>
    public Translator(CpuState* state, HandlerTable handlers, bool isolated, bool countsBlocks = false)
    {
        _state = state;
        _countsBlocks = countsBlocks;
        IsIsolated = isolated;
        _emitter = new Emitter(_memory);
        _trampolines = new Trampolines(_emitter);
        _blocks = new BlockTranslator(_emitter, _trampolines, handlers, looksAhead: !isolated, countsBlocks);
        _enter = (delegate* unmanaged<CpuState*, byte*, NativeExit>)_emitter.Address(_trampolines.Enter);
        _firstBlock = _emitter.Position;
        ForgetImage();
    }

    /// <summary>Times that a block is interpreted before it is translated.</summary>
    public uint Threshold { get; init; } = 16;

    /// <summary>Whether each block ends in the run loop: jumps are not linked.</summary>
    public bool IsIsolated { get; }

    /// <summary>Where jump-cache entries of blocks without a translation lead.</summary>
    public byte* NotTranslated => _emitter.Address(_trampolines.NotTranslated);

    /// <summary>Whether another translation fits for sure; otherwise all blocks must be dropped first.</summary>
    public bool HasRoom => _emitter.Position < CodeSize - BlockTranslator.LargestTranslation;

    /// <summary>What it has done so far, for <c>--stat</c>.</summary>
    public IEnumerable<KeyValuePair<string, long>> Counters =>
    [
        new("blocks translated", _translations),
        new("translations dropped", _drops),
        new("jumps linked", _links),
        new("translated code entered", _entries),
        new("ways out to the interpreter", _interpretations),
        new("bytes of translated code", _emitter.Position),
        .. _countsBlocks ? BlockCounters : [],
    ];

    // A block that begins and was not entered was gone on to.
    private IEnumerable<KeyValuePair<string, long>> BlockCounters =>
    [
        new("translated blocks run", (long)_state->BlocksRun),
        new("chain hits", (long)_state->BlocksRun - (_entries - _resumptions)),
    ];

    /// <summary>Translates a block.</summary>
    public void Translate(Block* block)
    {
        _state->Phase = (int)ProcessorPhase.Translating;
        int start = _blocks.Translate(block);
        int least = start + Tombstone;
        if (_emitter.Position < least)
        {
            _emitter.Position = least;
        }

        block->Native = _emitter.Address(start);
        _translations++;
        _state->Phase = (int)ProcessorPhase.Interpreting;
    }

    /// <summary>The steps of the block that was translated last.</summary>
    public ReadOnlySpan<Step> Steps => _blocks.Steps;

    /// <summary>Forgets all translations; their blocks are gone.</summary>
    public void Clear() => _emitter.Position = _firstBlock;

    /// <summary>The state was replaced as a whole: its image of the flags is not that of its flags.</summary>
    public void ForgetImage() => _imageCarries = ulong.MaxValue;

    /// <summary>
    /// Makes the translation of a block that is gone a jump to the block that will be found in its place: what leads to it
    /// stays linked.
    /// </summary>
    public void Drop(Block* block)
    {
        int position = _emitter.Position;
        _emitter.Position = (int)(block->Native - _memory.Executable);
        int jump = _emitter.Jmp();
        _emitter.Bind(jump);
        _blocks.EmitLinkSite(block, block->Rip, jump, comparison: 0);
        _emitter.Position = position;
        block->Native = null;
        _drops++;
    }

    /// <summary>Links the jump of a <see cref="NativeExit.Link"/> to the block that it led to.</summary>
    public void Link(LinkSite* site, Block* target, bool global, uint generation)
    {
        if (site->Comparison != 0)
        {
            _emitter.PatchGeneration(site->Comparison, global, generation);
        }

        _emitter.Patch(site->BehindJump, (int)(target->Native - _memory.Executable));
        _links++;
    }

    /// <summary>Runs translated code; the interpreter's view of the state is up to date before and after.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public NativeExit Enter(byte* code)
    {
        CpuState* s = _state;
        if (s->FlagResult != _imageResult || s->FlagCarries != _imageCarries)
        {
            s->NativeFlags = FlagImage.Create(s);
        }

        _entries++;
        ulong image = s->NativeFlags;
        s->Phase = (int)ProcessorPhase.Translated;
        NativeExit exit = _enter(s, code);
        s->Phase = (int)ProcessorPhase.Interpreting;
        if (s->NativeFlags != image)
        {
            FlagImage.Load(s, s->NativeFlags);
        }

        _imageResult = s->FlagResult;
        _imageCarries = s->FlagCarries;
        return exit;
    }

    /// <summary>
    /// Interprets what a <see cref="NativeExit.Interpret"/> asks for. <see cref="Outcome.Next"/>: the translation goes on at
    /// <see cref="Behind"/>; else the instruction that ended it is <see cref="CpuState.CurrentInstruction"/>.
    /// </summary>
    public Outcome Interpret(InterpretSite* site)
    {
        CpuState* s = _state;
        Instruction* i = site->Instruction;
        Block* block = BlockOf(i);
        _interpretations++;
        for (int n = site->Count; ; i++)
        {
            s->CurrentInstruction = i;
            Outcome outcome = i->Execute(s, i);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }

            if (--n == 0)
            {
                break;
            }
        }

        // It may have overwritten its own block, or have ended it here to leave the guest.
        s->CurrentInstruction = ++i;
        if (block->Mode == BlockMode.None || i->Weight == 0)
        {
            return Block.End(s, i);
        }

        _resumptions++;
        return Outcome.Next;
    }

    /// <summary>The code that goes on after an <see cref="InterpretSite"/>.</summary>
    public static byte* Behind(InterpretSite* site) => (byte*)(site + 1);

    /// <summary>The block of an instruction.</summary>
    public static Block* BlockOf(Instruction* i) => (Block*)(i - i->Ordinal) - 1;

    public void Dispose() => _memory.Dispose();
}
