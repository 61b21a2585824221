using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// Translates a decoded block to host code. The guest's registers are where <see cref="RegisterMap"/> says and its flags
/// in the image of the state when a block begins and when it ends. What the host cannot do as well as the interpreter is
/// left to it, instruction by instruction; so is every memory access that the TLB does not serve.
/// </summary>
internal sealed unsafe partial class BlockTranslator
{
    private readonly Emitter _emitter;
    private readonly Trampolines _trampolines;
    private readonly StepAnalyzer _analyzer;
    private readonly FlagLookAhead _lookAhead = new();
    private readonly Encoder _encoder;
    private readonly PageReader _reader = new();
    private readonly Decoder _decoder;
    private readonly Step[] _steps = new Step[BlockPool.MaximumInstructions + 1];
    private readonly bool _looksAhead;
    private readonly bool _countsBlocks;
    private Block* _block;
    private int _count;

    // Where the guest goes on when no branch ends the block. A block may have been cut since it was decoded.
    private ulong _end;

    /// <summary>Most bytes that a translation takes.</summary>
    public const int LargestTranslation = 1 << 16;

    public BlockTranslator(Emitter emitter, Trampolines trampolines, HandlerTable handlers, bool looksAhead, bool countsBlocks)
    {
        _looksAhead = looksAhead;
        _countsBlocks = countsBlocks;
        _emitter = emitter;
        _trampolines = trampolines;
        _analyzer = new StepAnalyzer(handlers);
        _encoder = Encoder.Create(64, emitter);
        _decoder = Decoder.Create(64, _reader);
    }

    /// <summary>Whether blocks of a kind are worth translating: 64-bit code that lies in one page.</summary>
    public static bool Accepts(Block* block) =>
        (block->Mode & (BlockMode.SizeMask | BlockMode.Single)) == BlockMode.Code64 && block->SecondPage == Block.NoPage;

    /// <summary>The steps of the block that was translated last.</summary>
    public ReadOnlySpan<Step> Steps => _steps.AsSpan(0, _count);

    /// <summary>Emits the block's translation; the offset where it begins.</summary>
    public int Translate(Block* block)
    {
        _block = block;
        DecodeSource();
        Analyze();
        int start = _emitter.Position;
        BeginFlags();
        if (_countsBlocks)
        {
            _emitter.IncrementState(StateOffsets.BlocksRun);
        }

        _vectorsLoaded = false;
        BeginX87();
        _group = default;
        _exitCount = 0;
        for (int n = 0; n < _count; n++)
        {
            n += EmitStep(n);
        }

        if (_count == 0 || !_steps[_count - 1].IsEnd)
        {
            StoreX87Pointer();
            KeepLiveFlags(_liveAtEnd);
            EmitJump(_end);
        }

        EmitExits();
        return start;
    }

    private void DecodeSource()
    {
        byte* code = (byte*)_block->Place;
        _reader.Start(code, code + _block->Length);
        _decoder.IP = _block->Rip;
        Decode.Instruction* slot = Block.First(_block);
        _count = 0;
        for (; slot->Weight != 0; slot++)
        {
            for (int part = 0; part < slot->Weight; part++)
            {
                ref Step step = ref _steps[_count++];
                step = default;
                step.Slot = slot;
                _decoder.Decode(out step.Source);
            }
        }

        _end = slot->Rip;
    }

    private void Analyze()
    {
        for (int n = 0; n < _count; n++)
        {
            ref Step step = ref _steps[n];
            _analyzer.Analyze(ref step, _block->Mode, step.Slot->Weight == 2);
        }

        // A pair that the interpreter has as one stays one for it.
        if (_count > 1 && _steps[_count - 1].Slot->Weight == 2 && _steps[_count - 2].IsInterpreted)
        {
            _steps[_count - 2].Kind = StepKind.InterpretedEnd;
            _count--;
        }

        AnalyzeFlags();
    }

    // How many further steps it has taken along.
    private int EmitStep(int n)
    {
        ref Step step = ref _steps[n];
        if (step.IsInterpreted || step.IsEnd)
        {
            StoreX87Pointer();
        }

        if (step.IsInterpreted)
        {
            return EmitInterpreted(n);
        }

        if (step.Kind == StepKind.Nothing)
        {
            return 0;
        }

        BeginAccess(n);
        if (step.UsesVectors && !_vectorsLoaded)
        {
            EmitVectorCheck(n);
        }

        if (step.UsesX87 && !_x87Loaded)
        {
            EmitX87Check(n);
        }

        PrepareFlags(ref step);
        switch (step.Kind)
        {
            case StepKind.PassThrough:
                EmitConditionClearing(n);
                EmitPassThrough(ref step);
                break;
            case StepKind.Push:
                EmitPush(ref step);
                break;
            case StepKind.Pop:
                EmitPop(ref step);
                break;
            case StepKind.Leave:
                EmitLeave(ref step);
                break;
            case StepKind.Multiply:
                EmitMultiply(ref step);
                break;
            case StepKind.Divide:
                EmitDivide(n);
                break;
            case StepKind.SignExtend:
                EmitSignExtend(ref step);
                break;
            case StepKind.PushMemory:
                EmitPushMemory(n);
                break;
            case StepKind.PushFlags:
                EmitPushFlags(n);
                break;
            case StepKind.PopStackPointer:
                _emitter.Load(RegisterMap.Of(RegisterMap.Rsp), RegisterMap.Address, OperandDisplacement(ref step));
                break;
            case StepKind.SwapGs:
                EmitSwapGs(n);
                break;
            case StepKind.IndirectCallByMemory:
                EmitIndirectCallByMemory(n);
                break;
            case StepKind.DisableInterrupts:
                EmitDisableInterrupts(n);
                break;
            case StepKind.AllowAccess or StepKind.PreventAccess:
                EmitAccessControl(n);
                break;
            case StepKind.EnableInterrupts:
                EmitEnableInterrupts(n);
                break;
            case StepKind.SystemCall:
                EmitSystemCall(n);
                break;
            case StepKind.SystemReturn:
                EmitSystemReturn(n);
                break;
            case StepKind.MoveString or StepKind.StoreString:
                EmitString(n);
                break;
            case StepKind.CompareExchange:
                EmitCompareExchange(ref step);
                break;
            case StepKind.LoadX87Control:
                EmitLoadX87Control(n);
                break;
            case StepKind.StoreX87StatusInAx:
                EmitStoreX87StatusInAx();
                break;
            case StepKind.WaitForX87:
                break;
            default:
                EmitBranch(ref step);
                break;
        }

        FinishFlags(ref step);
        NoteX87Pointer(ref step);
        EndAccess(n);
        return 0;
    }

    // A run of interpreted instructions is one way out and back.
    private int EmitInterpreted(int n)
    {
        int last = n;
        while (!_steps[last].IsEnd && last + 1 < _count && _steps[last + 1].IsInterpreted)
        {
            last++;
        }

        KeepLiveFlags(_steps[n].LiveBefore);
        EmitInterpretSite(_steps[n].Slot, _steps[last].IsEnd ? InterpretSite.ToTheEnd : last - n + 1);
        _flagsInHost = false;
        _imageIsValid = true;
        _vectorsLoaded = false;
        _x87Loaded = false;
        return last - n;
    }
}
