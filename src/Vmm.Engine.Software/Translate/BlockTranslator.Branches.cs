using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// The ends of blocks. A jump within a page is linked to its target for good; one out of the page with a comparison that
/// fails once translations changed; indirect ones go through the jump cache. Every jump backward, out of the page, or
/// indirect looks for events: fewer than 4,096 instructions lie between two looks.
/// </summary>
internal sealed unsafe partial class BlockTranslator
{
    private void EmitBranch(ref Step step)
    {
        switch (step.Kind)
        {
            case StepKind.ConditionalJump:
                KeepLiveFlags(_liveAtEnd);
                EmitConditionalJump(step.Source);
                break;
            case StepKind.Jump:
                KeepLiveFlags(_liveAtEnd);
                EmitJump(step.Source.NearBranchTarget);
                break;
            case StepKind.Call:
                EmitPushReturn(ref step);
                KeepLiveFlags(_liveAtEnd);
                EmitJump(step.Source.NearBranchTarget);
                break;
            case StepKind.IndirectCall:
                LoadTarget(ref step, RegisterMap.Scratch);
                _emitter.Push(RegisterMap.Scratch);
                EmitPushReturn(ref step);
                _emitter.Pop(RegisterMap.Address);
                KeepLiveFlags(FlagUse.All);
                EmitIndirectJump(step.Slot, -8);
                break;
            case StepKind.IndirectJump:
                LoadTarget(ref step, RegisterMap.Address);
                KeepLiveFlags(FlagUse.All);
                EmitIndirectJump(step.Slot, 0);
                break;
            case StepKind.Return:
                EmitReturn(ref step);
                break;
            default:
                throw new InvalidOperationException($"{step.Source.Code} is no branch.");
        }
    }

    private void EmitConditionalJump(in Iced.Intel.Instruction source)
    {
        ulong taken = source.NearBranchTarget;
        HostCondition condition = (HostCondition)(source.ConditionCode switch
        {
            ConditionCode.o => HostCondition.Overflow,
            ConditionCode.no => HostCondition.NotOverflow,
            ConditionCode.b => HostCondition.Below,
            ConditionCode.ae => HostCondition.AboveOrEqual,
            ConditionCode.e => HostCondition.Equal,
            ConditionCode.ne => HostCondition.NotEqual,
            ConditionCode.be => HostCondition.BelowOrEqual,
            ConditionCode.a => HostCondition.Above,
            ConditionCode.s => HostCondition.Sign,
            ConditionCode.ns => HostCondition.NotSign,
            ConditionCode.p => HostCondition.Parity,
            ConditionCode.np => HostCondition.NotParity,
            ConditionCode.l => HostCondition.Less,
            ConditionCode.ge => HostCondition.GreaterOrEqual,
            ConditionCode.le => HostCondition.LessOrEqual,
            _ => HostCondition.Greater,
        });
        if (IsInPage(taken) && !IsBackward(taken))
        {
            AddLink(_emitter.Jcc(condition), taken, comparison: 0);
            EmitJump(source.NextIP);
            return;
        }

        int notTaken = _emitter.Jcc(condition ^ (HostCondition)1);
        EmitJump(taken);
        _emitter.Bind(notTaken);
        EmitJump(source.NextIP);
    }

    private bool IsInPage(ulong target) => ((target ^ _block->Rip) & ~0xFFFUL) == 0;

    private bool IsBackward(ulong target) => target < _end;

    private void EmitJump(ulong target)
    {
        if (IsBackward(target) || !IsInPage(target))
        {
            _emitter.CmpState32(StateOffsets.EventPending, 0);
            ref Exit exit = ref Add(ExitKind.Dispatch, _emitter.Jcc(HostCondition.NotEqual));
            exit.Target = target;
        }

        if (IsInPage(target))
        {
            AddLink(_emitter.Jmp(), target, comparison: 0);
            return;
        }

        // Until it is linked it compares with a generation that never is.
        _emitter.CmpGeneration();
        int comparison = _emitter.Position;
        int changed = _emitter.Jcc(HostCondition.NotEqual);
        int jump = _emitter.Jmp();
        AddLink(jump, target, comparison);
        _exits[_exitCount - 1].OtherJump = changed;
    }

    private void AddLink(int jump, ulong target, int comparison)
    {
        ref Exit exit = ref Add(ExitKind.Link, jump);
        exit.Target = target;
        exit.Comparison = comparison;
    }

    private void EmitPushReturn(ref Step step)
    {
        ulong next = step.Source.NextIP;
        if ((ulong)(int)next == next)
        {
            _emitter.MemoryForm(0xC7, true, 0, RegisterMap.Address, OperandDisplacement(ref step));
            _emitter.Int32((int)next);
        }
        else
        {
            _emitter.MovImmediate(RegisterMap.Scratch, next);
            _emitter.Store(RegisterMap.Address, OperandDisplacement(ref step), RegisterMap.Scratch);
        }

        MoveStack(-8);
    }

    private void MoveStack(int distance)
    {
        HostRegister stack = RegisterMap.Of(RegisterMap.Rsp);
        _emitter.Lea(stack, stack, HostRegister.None, 0, distance);
    }

    private void LoadTarget(ref Step step, HostRegister to)
    {
        if (step.Source.Op0Kind == OpKind.Memory)
        {
            _emitter.Load(to, RegisterMap.Address, OperandDisplacement(ref step));
            return;
        }

        LoadGuest(to, RegisterMap.Number(step.Source.Op0Register));
    }

    private void LoadGuest(HostRegister to, int guest)
    {
        HostRegister host = RegisterMap.Of(guest);
        if (host == HostRegister.None)
        {
            _emitter.LoadState(to, CpuState.GprOffset(guest));
        }
        else
        {
            _emitter.Mov(to, host);
        }
    }

    private void EmitReturn(ref Step step)
    {
        KeepLiveFlags(FlagUse.All);
        int distance = 8 + (step.Source.OpCount != 0 ? step.Source.Immediate16 : 0);
        _emitter.Load(RegisterMap.Address, RegisterMap.Address, OperandDisplacement(ref step));
        MoveStack(distance);
        EmitIndirectJump(step.Slot, distance);
    }

    // To the address in R11, through the jump cache.
    private void EmitIndirectJump(Decode.Instruction* slot, int stackMoved)
    {
        int exit = _exitCount;
        ref Exit miss = ref Add(ExitKind.Indirect, 0);
        miss.Slot = slot;
        miss.StackMoved = stackMoved;
        _emitter.CmpState32(StateOffsets.EventPending, 0);
        miss.Jump = _emitter.Jcc(HostCondition.NotEqual);
        _emitter.Mov32(HostRegister.Rax, HostRegister.R11);
        _emitter.ShiftRight32(HostRegister.Rax, JumpCache.IndexBits);
        _emitter.RegisterForm(0x33, false, HostRegister.Rax, HostRegister.R11);
        _emitter.And32(HostRegister.Rax, (1 << JumpCache.IndexBits) - 1);
        _emitter.ShiftLeft32(HostRegister.Rax, 5);
        _emitter.Add(HostRegister.Rax, HostRegister.Rbp, StateOffsets.Jumps - Emitter.StateBias);
        _emitter.Cmp(HostRegister.R11, HostRegister.Rax, 0);
        AlsoTakes(exit, _emitter.Jcc(HostCondition.NotEqual));
        _emitter.Load(HostRegister.R11, HostRegister.Rax, 8);
        _emitter.Cmp(HostRegister.R11, HostRegister.Rbp, StateOffsets.LocalJumpKey - Emitter.StateBias);
        int holds = _emitter.Jcc(HostCondition.Equal);
        _emitter.Cmp(HostRegister.R11, HostRegister.Rbp, StateOffsets.GlobalJumpKey - Emitter.StateBias);
        _exits[exit].KeyMismatch = _emitter.Jcc(HostCondition.NotEqual);
        _emitter.Bind(holds);
        _emitter.JmpIndirect(HostRegister.Rax, 16);
    }
}
