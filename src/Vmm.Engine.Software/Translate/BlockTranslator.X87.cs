using Iced.Intel;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// x87 and MMX instructions, on the host's x87 registers. The first one after an entry loads the guest's state, the way out
/// stores it: see <see cref="X87Transfer"/>.
/// </summary>
/// <remarks>
/// The host has its own idea of where the last x87 instruction was. The guest's is known when a block is translated: it is
/// stored once, where the block ends, and where an exit shows it. The data pointer and the opcode are those of the last
/// unmasked exception (FDP_EXCPTN_ONLY, no fopcode compatibility), which never runs here.
/// </remarks>
internal sealed unsafe partial class BlockTranslator
{
    private const byte ExceptionMasks = 0x3F;

    private bool _x87Loaded;

    // The last x87 instruction, where the state does not tell yet.
    private ulong? _x87Pointer;

    private void BeginX87()
    {
        _x87Loaded = false;
        _x87Pointer = null;
    }

    private void NoteX87Pointer(ref Step step)
    {
        if (step.UsesX87 && PassThrough.SetsX87Pointer(step.Source))
        {
            _x87Pointer = step.Source.IP;
        }
    }

    private void StoreX87Pointer()
    {
        EmitX87Pointer(_x87Pointer);
        _x87Pointer = null;
    }

    private void EmitX87Pointer(ulong? pointer)
    {
        if (pointer is { } rip)
        {
            _emitter.MovImmediate(RegisterMap.Scratch, rip);
            _emitter.StoreState(StateOffsets.X87LastInstruction, RegisterMap.Scratch);
        }
    }

    // FCOMI clears C1 (SDM Vol. 2A) but not on all processors. FDECSTP and FINCSTP do.
    private void EmitConditionClearing(int n)
    {
        if (_steps[n].UsesX87 && _steps[n].Source.Mnemonic is Mnemonic.Fcomi or Mnemonic.Fcomip or Mnemonic.Fucomi or Mnemonic.Fucomip && !ClearsCondition(n + 1))
        {
            _emitter.Fdecstp();
            _emitter.Fincstp();
        }
    }

    // What often follows a comparison: the other operand goes, or a constant comes.
    private bool ClearsCondition(int n) =>
        n < _count && _steps[n].Kind == StepKind.PassThrough && !_steps[n].HasAccess && _steps[n].Source.Mnemonic is Mnemonic.Fstp or Mnemonic.Fxch or Mnemonic.Fld;

    // From a copy: another processor may write to the operand after it was looked at. A word that unmasks an exception is
    // the interpreter's, and so is what follows it: even if the word that the interpreter reads masks all again, R11 no
    // longer has the address of a group that goes on. The way out puts back what the copy was written over.
    private void EmitLoadX87Control(int n)
    {
        GiveUpHostFlags(_steps[n].LiveBefore);
        _emitter.LoadZeroExtended(RegisterMap.Scratch, RegisterMap.Address, OperandDisplacement(ref _steps[n]), sizeof(ushort));
        _emitter.StoreStateAx(StateOffsets.X87Control);
        _emitter.Not32(RegisterMap.Scratch);
        _emitter.TestLow(RegisterMap.Scratch, ExceptionMasks);
        _exits[AddInterpretExit(_emitter.Jcc(HostCondition.NotEqual), n, n)].Count = InterpretSite.ToTheEnd;
        _emitter.LoadX87ControlState(StateOffsets.X87Control);
    }

    private void EmitStoreX87StatusInAx()
    {
        _emitter.Byte(0xDF); // FNSTSW AX
        _emitter.Byte(0xE0);
        _emitter.Byte(0x66); // MOV of 16 bits
        _emitter.RegisterForm(0x8B, false, RegisterMap.Of(RegisterMap.Rax), HostRegister.Rax);
    }
}
