using Iced.Intel;
using Vmm.Engine.Software.Decode;

namespace Vmm.Engine.Software.Translate;

/// <summary>The ways out of a block, behind its code: rarely taken, out of the way of what is.</summary>
internal sealed unsafe partial class BlockTranslator
{
    // More than any step has: a division of memory has four, its operand's look-up and three that its divisor may take.
    private const int MostExits = 5;

    private readonly Exit[] _exits = new Exit[MostExits * (BlockPool.MaximumInstructions + 1) + 1];
    private int _exitCount;
    private bool _vectorsLoaded;

    private enum ExitKind
    {
        Interpret,
        Dispatch,
        Link,
        Indirect,
    }

    private struct Exit
    {
        public ExitKind Kind;
        public int Jump;
        public int OtherJump;
        public int KeyMismatch;

        // Interpret: what, and how the block goes on.
        public Decode.Instruction* Slot;
        public int Count;
        public int Resume;
        public bool PopFirst;
        public bool ReloadFlags;
        public bool ReloadVectors;
        public bool ReloadX87;
        public ulong? X87Pointer;

        // Dispatch, Link
        public ulong Target;
        public int Comparison;

        // Indirect
        public int StackMoved;
    }

    private ref Exit Add(ExitKind kind, int jump)
    {
        ref Exit exit = ref _exits[_exitCount++];
        exit = new Exit { Kind = kind, Jump = jump, Resume = -1, X87Pointer = _x87Pointer };
        return ref exit;
    }

    /// <summary>An exit that interprets the steps from <paramref name="first"/> to <paramref name="last"/>.</summary>
    private int AddInterpretExit(int jump, int first, int last)
    {
        ref Exit exit = ref Add(ExitKind.Interpret, jump);
        exit.Slot = _steps[first].Slot;
        exit.Count = last - first + 1;
        return _exitCount - 1;
    }

    private void AlsoTakes(int exit, int jump) => _exits[exit].OtherJump = jump;

    /// <summary>The block goes on here, after step <paramref name="last"/>, when an exit has been interpreted.</summary>
    private void Resume(int exit, int last)
    {
        _exits[exit].Resume = _emitter.Position;
        _exits[exit].ReloadFlags = _flagsInHost && _steps[last].LiveAfter != Iced.Intel.RflagsBits.None;
        _exits[exit].ReloadVectors = _vectorsLoaded;
        _exits[exit].ReloadX87 = _x87Loaded;
    }

    private void EmitInterpretSite(Decode.Instruction* slot, int count)
    {
        _emitter.Call(_trampolines.Interpret);
        _emitter.UInt64((ulong)slot);
        _emitter.Byte(count);
    }

    private void EmitVectorCheck(int n)
    {
        EmitLoadCheck(n, StateOffsets.VectorsLoaded, _trampolines.LoadVectors);
        _vectorsLoaded = true;
    }

    private void EmitX87Check(int n)
    {
        EmitLoadCheck(n, StateOffsets.X87Loaded, _trampolines.LoadX87);
        _x87Loaded = true;
    }

    // Registers to the host's, unless they are there. Flags do not survive it. Where it is refused, because an exception is
    // not masked, the rest of the block is interpreted, and an exception there shows them.
    private void EmitLoadCheck(int n, int isLoaded, int trampoline)
    {
        GiveUpHostFlags(FlagUse.All);
        _emitter.CmpState32(isLoaded, 0);
        int loaded = _emitter.Jcc(HostCondition.NotEqual);
        _emitter.Call(trampoline);
        ref Exit exit = ref Add(ExitKind.Interpret, _emitter.Jcc(HostCondition.NotEqual));
        exit.Slot = _steps[n].Slot;
        exit.Count = InterpretSite.ToTheEnd;
        _emitter.Bind(loaded);
    }

    private void EmitExits()
    {
        for (int n = 0; n < _exitCount; n++)
        {
            ref Exit exit = ref _exits[n];
            _emitter.Bind(exit.Jump);
            if (exit.OtherJump != 0)
            {
                _emitter.Bind(exit.OtherJump);
            }

            switch (exit.Kind)
            {
                case ExitKind.Interpret:
                    EmitInterpretExit(ref exit);
                    break;
                case ExitKind.Dispatch:
                    _emitter.Call(_trampolines.Dispatch);
                    _emitter.UInt64(exit.Target);
                    break;
                case ExitKind.Link:
                    EmitLinkSite(_block, exit.Target, exit.Jump, exit.Comparison);
                    break;
                default:
                    EmitIndirectExit(ref exit);
                    break;
            }
        }
    }

    /// <summary>The way out of a jump from <paramref name="from"/> that is not linked yet.</summary>
    public void EmitLinkSite(Block* from, ulong target, int behindJump, int comparison)
    {
        _emitter.Call(_trampolines.Link);
        _emitter.UInt64(target);
        _emitter.UInt64((ulong)from);
        _emitter.Int32(behindJump);
        _emitter.Int32(comparison);
    }

    private void EmitInterpretExit(ref Exit exit)
    {
        if (exit.PopFirst)
        {
            _emitter.Pop(HostRegister.R11);
        }

        EmitX87Pointer(exit.X87Pointer);
        EmitInterpretSite(exit.Slot, exit.Count);
        if (exit.Resume < 0)
        {
            return;
        }

        if (exit.ReloadVectors)
        {
            EmitReload(_trampolines.LoadVectors, ref exit);
        }

        if (exit.ReloadX87)
        {
            EmitReload(_trampolines.LoadX87, ref exit);
        }

        if (exit.ReloadFlags)
        {
            EmitLoadFlags();
        }

        _emitter.Jmp(exit.Resume);
    }

    // Where it is refused now the rest of the block is interpreted.
    private void EmitReload(int trampoline, ref Exit exit)
    {
        _emitter.Call(trampoline);
        int loaded = _emitter.Jcc(HostCondition.Equal);
        EmitInterpretSite(exit.Slot + exit.Count, InterpretSite.ToTheEnd);
        _emitter.Bind(loaded);
    }

    private void EmitIndirectExit(ref Exit exit)
    {
        int start = _emitter.Position;
        _emitter.Call(_trampolines.Indirect);
        _emitter.UInt64((ulong)exit.Slot);
        _emitter.Int32(exit.StackMoved);
        _emitter.Bind(exit.KeyMismatch);
        _emitter.Load(HostRegister.R11, HostRegister.Rax, 0);
        _emitter.Jmp(start);
    }
}
