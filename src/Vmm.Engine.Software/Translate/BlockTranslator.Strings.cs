using Iced.Intel;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// MOVS and STOS. What lies in one page each runs as the host's own string instruction on host addresses; the rest, and
/// all that runs downward, is interpreted (page by page, so that little is left to gain).
/// </summary>
internal sealed unsafe partial class BlockTranslator
{
    private const int DirectionFlag = 0x400;

    private void EmitString(int n)
    {
        ref Step step = ref _steps[n];
        bool repeats = step.Source.HasRepPrefix || step.Source.HasRepnePrefix;
        bool moves = step.Kind == StepKind.MoveString;
        int size = step.AccessSize;
        GiveUpHostFlags(step.LiveBefore);
        _emitter.TestState32(StateOffsets.SystemFlags, DirectionFlag);
        int exit = AddInterpretExit(_emitter.Jcc(HostCondition.NotEqual), n, n);
        int nothing = 0;
        if (repeats)
        {
            _emitter.RegisterForm(0x85, true, HostRegister.Rcx, HostRegister.Rcx); // TEST
            nothing = _emitter.Jcc(HostCondition.Equal);
            _emitter.Cmp(HostRegister.Rcx, 0x1000 / size);
            AlsoTakes(exit, _emitter.Jcc(HostCondition.Above));
        }

        if (moves)
        {
            _emitter.Mov(HostRegister.R11, HostRegister.Rsi);
            AddSegment(step.Slot->SegmentBaseIndex);
            EmitLookup(n, size, repeats, StateOffsets.ReadTlb, popFirst: false);
            if (repeats)
            {
                _emitter.Push(HostRegister.R11);
            }
            else
            {
                LoadSized(HostRegister.Rax, size);
                _emitter.Push(HostRegister.Rax);
            }
        }

        _emitter.Mov(HostRegister.R11, HostRegister.Rdi);
        EmitLookup(n, size, repeats, StateOffsets.WriteTlb, popFirst: moves);
        if (repeats)
        {
            EmitRepeated(size, moves);
        }
        else
        {
            EmitOnce(size, moves);
        }

        if (repeats)
        {
            _emitter.Bind(nothing);

            // It may have been suspended before; see Repetition.
            _emitter.AndState32(StateOffsets.SystemFlags, ~(int)Vmm.Vmx.RflagsBits.Rf);
        }

        Resume(exit, n);
        ResumeLookups(n);
    }

    private void ResumeLookups(int n)
    {
        foreach (int exit in _lookupExits.AsSpan(0, _lookupExitCount))
        {
            Resume(exit, n);
        }

        _lookupExitCount = 0;
    }

    private readonly int[] _lookupExits = new int[2];
    private int _lookupExitCount;

    // From the linear address in R11 to the host's, for RCX elements or one.
    private void EmitLookup(int n, int size, bool repeats, int table, bool popFirst)
    {
        EmitTlbEntry(table);
        if (repeats)
        {
            // The sum cannot wrap on a miss: a tag differs from what is looked up in one index bit at most.
            _emitter.Push(HostRegister.Rax);
            _emitter.Lea(HostRegister.Rax, HostRegister.R11, HostRegister.Rcx, int.Log2(size), 0);
            _emitter.Cmp(HostRegister.Rax, 0x1000);
            _emitter.Pop(HostRegister.Rax);
        }
        else
        {
            _emitter.Cmp(HostRegister.R11, 0x1000 - size);
        }

        int exit = AddInterpretExit(_emitter.Jcc(HostCondition.Above), n, n);
        _exits[exit].PopFirst = popFirst;
        _lookupExits[_lookupExitCount++] = exit;
        _emitter.Add(HostRegister.R11, HostRegister.Rax, 8);
    }

    private void EmitOnce(int size, bool moves)
    {
        HostRegister from = RegisterMap.Of(RegisterMap.Rax);
        if (moves)
        {
            _emitter.Pop(HostRegister.Rax);
            from = HostRegister.Rax;
        }

        StoreSized(from, size);
        _emitter.Lea(HostRegister.Rdi, HostRegister.Rdi, HostRegister.None, 0, size);
        if (moves)
        {
            _emitter.Lea(HostRegister.Rsi, HostRegister.Rsi, HostRegister.None, 0, size);
        }
    }

    // RSI and RDI are the guest's too: they are exchanged with the host addresses while the host's instruction runs.
    private void EmitRepeated(int size, bool moves)
    {
        if (moves)
        {
            _emitter.Pop(HostRegister.Rax);
            _emitter.Exchange(HostRegister.Rsi, HostRegister.Rax);
        }
        else
        {
            _emitter.Mov(HostRegister.Rax, RegisterMap.Of(RegisterMap.Rax));
        }

        _emitter.Exchange(HostRegister.Rdi, HostRegister.R11);
        _emitter.Push(HostRegister.Rcx);
        EmitStringInstruction(size, moves);
        _emitter.Pop(HostRegister.Rcx);
        _emitter.Lea(HostRegister.Rdi, HostRegister.R11, HostRegister.Rcx, int.Log2(size), 0);
        if (moves)
        {
            _emitter.Lea(HostRegister.Rsi, HostRegister.Rax, HostRegister.Rcx, int.Log2(size), 0);
        }

        _emitter.MovImmediate(HostRegister.Rcx, 0);
    }

    private void EmitStringInstruction(int size, bool moves)
    {
        if (size == 2)
        {
            _emitter.Byte(0x66);
        }

        _emitter.Byte(0xF3);
        if (size == 8)
        {
            _emitter.Byte(0x48);
        }

        _emitter.Byte((moves ? 0xA4 : 0xAA) | (size == 1 ? 0 : 1));
    }

    private void LoadSized(HostRegister to, int size)
    {
        if (size < 4)
        {
            _emitter.LoadZeroExtended(to, HostRegister.R11, 0, size);
            return;
        }

        _emitter.MemoryForm(0x8B, size == 8, to, HostRegister.R11, 0);
    }

    private void StoreSized(HostRegister from, int size)
    {
        if (size == 2)
        {
            _emitter.Byte(0x66);
        }

        _emitter.MemoryForm(size == 1 ? 0x88 : 0x89, size == 8, from, HostRegister.R11, 0);
    }
}
