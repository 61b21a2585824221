using Iced.Intel;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Translate;

/// <summary>What kernels do at every entry and exit, and instructions with two memory operands.</summary>
internal sealed unsafe partial class BlockTranslator
{
    private const int ResultFlags = (int)(ArithmeticFlags.All & ~ArithmeticFlags.Overflow);

    private void EmitPushMemory(int n)
    {
        EmitReadOperand(n);
        EmitPushScratch(n);
        MoveStack(-8);
        ResumeLookups(n);
    }

    private void EmitIndirectCallByMemory(int n)
    {
        ref Step step = ref _steps[n];
        EmitReadOperand(n);
        _emitter.Push(RegisterMap.Scratch);
        _emitter.Lea(RegisterMap.Address, RegisterMap.Of(RegisterMap.Rsp), HostRegister.None, 0, -8);
        EmitLookup(n, 8, repeats: false, StateOffsets.WriteTlb, popFirst: true);
        _emitter.MovImmediate(RegisterMap.Scratch, step.Source.NextIP);
        _emitter.Store(RegisterMap.Address, 0, RegisterMap.Scratch);
        MoveStack(-8);
        _emitter.Pop(RegisterMap.Address);
        _lookupExitCount = 0;
        EmitIndirectJump(step.Slot, -8);
    }

    // 64 bits at the operand to RAX.
    private void EmitReadOperand(int n)
    {
        Decode.Instruction* slot = _steps[n].Slot;
        GiveUpHostFlags(_steps[n].LiveBefore);
        EmitAddress(slot->Base, slot->Index, slot->Scale, slot->SegmentBaseIndex, slot->AddressSize == 8, (long)slot->Displacement);
        EmitLookup(n, 8, repeats: false, StateOffsets.ReadTlb, popFirst: false);
        _emitter.Load(RegisterMap.Scratch, RegisterMap.Address, 0);
    }

    // RAX to the top of the guest's stack; RSP stays.
    private void EmitPushScratch(int n)
    {
        _emitter.Push(RegisterMap.Scratch);
        _emitter.Lea(RegisterMap.Address, RegisterMap.Of(RegisterMap.Rsp), HostRegister.None, 0, -8);
        EmitLookup(n, 8, repeats: false, StateOffsets.WriteTlb, popFirst: true);
        _emitter.Pop(RegisterMap.Scratch);
        _emitter.Store(RegisterMap.Address, 0, RegisterMap.Scratch);
    }

    private void EmitPushFlags(int n)
    {
        EmitReadFlags();
        EmitPushScratch(n);
        MoveStack(-8);
        ResumeLookups(n);
    }

    // RFLAGS without VM and RF to RAX. The image has OF in bit 0 and the rest in bits 15:8, at their places in RFLAGS.
    private void EmitReadFlags()
    {
        GiveUpHostFlags(FlagUse.All);
        _emitter.LoadStateAx(StateOffsets.NativeFlags);
        _emitter.Mov32(HostRegister.R11, HostRegister.Rax);
        _emitter.ShiftRight32(HostRegister.Rax, 8);
        _emitter.And32(HostRegister.Rax, ResultFlags);
        _emitter.And32(HostRegister.R11, 1);
        _emitter.ShiftLeft32(HostRegister.R11, 11);
        _emitter.RegisterForm(0x0B, false, HostRegister.Rax, HostRegister.R11); // OR
        _emitter.LoadState(HostRegister.R11, StateOffsets.SystemFlags);
        _emitter.And32(HostRegister.R11, ~(int)(Vmm.Vmx.RflagsBits.Vm | Vmm.Vmx.RflagsBits.Rf));
        _emitter.RegisterForm(0x0B, true, HostRegister.Rax, HostRegister.R11);
    }

    // RFLAGS from RAX, the image too.
    private void EmitWriteFlags()
    {
        _emitter.StoreState(StateOffsets.SystemFlags, HostRegister.Rax);
        _emitter.AndState32(StateOffsets.SystemFlags, ~(int)ArithmeticFlags.All);
        _emitter.OrState32(StateOffsets.SystemFlags, (int)Vmm.Vmx.RflagsBits.Fixed1);
        _emitter.Mov32(HostRegister.R11, HostRegister.Rax);
        _emitter.And32(HostRegister.R11, ResultFlags);
        _emitter.ShiftLeft32(HostRegister.R11, 8);
        _emitter.ShiftRight32(HostRegister.Rax, 11);
        _emitter.And32(HostRegister.Rax, 1);
        _emitter.RegisterForm(0x0B, false, HostRegister.Rax, HostRegister.R11);
        _emitter.StoreStateAx(StateOffsets.NativeFlags);
    }

    private void EmitSwapGs(int n)
    {
        GiveUpHostFlags(_steps[n].LiveBefore);
        _emitter.CmpStateByte(StateOffsets.Cpl);
        int exit = AddInterpretExit(_emitter.Jcc(HostCondition.NotEqual), n, n);
        _emitter.LoadState(HostRegister.Rax, StateOffsets.GsBase);
        _emitter.LoadState(HostRegister.R11, StateOffsets.KernelGsBase);
        _emitter.StoreState(StateOffsets.GsBase, HostRegister.R11);
        _emitter.StoreState(StateOffsets.SegmentBase + 8 * (int)SegmentRegister.Gs, HostRegister.R11);
        _emitter.StoreState(StateOffsets.KernelGsBase, HostRegister.Rax);
        Resume(exit, n);
    }

    private void EmitDisableInterrupts(int n)
    {
        GiveUpHostFlags(_steps[n].LiveBefore);
        _emitter.CmpStateByte(StateOffsets.Cpl);
        _exits[AddInterpretExit(_emitter.Jcc(HostCondition.NotEqual), n, n)].Count = InterpretSite.ToTheEnd;
        _emitter.AndState32(StateOffsets.SystemFlags, ~(int)Vmm.Vmx.RflagsBits.If);
        EmitJump(_steps[n].Source.NextIP);
    }

    private void EmitEnableInterrupts(int n)
    {
        GiveUpHostFlags(_steps[n].LiveBefore);
        _emitter.CmpStateByte(StateOffsets.Cpl);
        int exit = AddInterpretExit(_emitter.Jcc(HostCondition.NotEqual), n, n);
        _exits[exit].Count = InterpretSite.ToTheEnd;
        _emitter.CmpStateByte(StateOffsets.AwaitsInterruptWindow);
        AlsoTakes(exit, _emitter.Jcc(HostCondition.NotEqual));
        _emitter.OrState32(StateOffsets.SystemFlags, (int)Vmm.Vmx.RflagsBits.If);

        // An event may wait for IF itself; a jump forward would not look.
        _emitter.CmpState32(StateOffsets.EventPending, 0);
        Add(ExitKind.Dispatch, _emitter.Jcc(HostCondition.NotEqual)).Target = _steps[n].Source.NextIP;
        EmitJump(_steps[n].Source.NextIP);
    }
}
