using Iced.Intel;
using RflagsBits = Iced.Intel.RflagsBits;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// The guest's flags within a block. They stay in the host's flags for as long as nothing of the translation's own
/// changes those; before something does, they go to the image if anybody will ask for them.
/// </summary>
internal sealed unsafe partial class BlockTranslator
{
    // Where the flags that matter are; both may be true.
    private bool _flagsInHost;
    private bool _imageIsValid;
    private RflagsBits _liveAtEnd;

    private void BeginFlags()
    {
        _flagsInHost = false;
        _imageIsValid = true;
    }

    private void AnalyzeFlags()
    {
        _block->AheadStart = ulong.MaxValue;
        _block->AheadEnd = 0;
        RflagsBits live = _liveAtEnd = LiveAtEnd();
        for (int n = _count - 1; n >= 0; n--)
        {
            _steps[n].LiveAfter = live;
            live = _steps[n].LiveBefore;
        }
    }

    private RflagsBits LiveAtEnd()
    {
        if (!_looksAhead)
        {
            return FlagUse.All;
        }

        if (_count == 0 || !_steps[_count - 1].IsEnd)
        {
            return _lookAhead.Live(_block, _end);
        }

        ref Step end = ref _steps[_count - 1];
        if (end.Kind is StepKind.ConditionalJump or StepKind.Jump or StepKind.Call && IsBackward(end.Source.NearBranchTarget))
        {
            return FlagUse.All; // events are looked for
        }

        return end.Kind switch
        {
            StepKind.ConditionalJump => _lookAhead.Live(_block, _end) | _lookAhead.Live(_block, end.Source.NearBranchTarget),
            StepKind.DisableInterrupts or StepKind.EnableInterrupts => _lookAhead.Live(_block, _end),
            StepKind.Jump or StepKind.Call => _lookAhead.Live(_block, end.Source.NearBranchTarget),
            _ => FlagUse.All,
        };
    }

    /// <summary>Before anything of the translation's own that changes the host's flags.</summary>
    private void KeepLiveFlags(RflagsBits live)
    {
        if (live != RflagsBits.None && !_imageIsValid)
        {
            _emitter.Lahf();
            _emitter.SetoAl();
            _emitter.StoreStateAx(StateOffsets.NativeFlags);
            _imageIsValid = true;
        }
    }

    /// <summary>The host's flags are about to be lost.</summary>
    private void GiveUpHostFlags(RflagsBits live)
    {
        KeepLiveFlags(live);
        _flagsInHost = false;
        _imageIsValid = true;
    }

    private void PrepareFlags(ref Step step)
    {
        if (step.Flags.Needed(step.LiveAfter) != RflagsBits.None && !_flagsInHost)
        {
            EmitLoadFlags();
            _flagsInHost = true;
        }
    }

    private void FinishFlags(ref Step step)
    {
        if (step.Flags.Writes)
        {
            _flagsInHost = true;
            _imageIsValid = false;
        }
    }

    // AL is 0 or 1: adding 7Fh gives OF.
    private void EmitLoadFlags()
    {
        _emitter.LoadStateAx(StateOffsets.NativeFlags);
        _emitter.AddAl(0x7F);
        _emitter.Sahf();
    }
}
