using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Instructions.System;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// Changes of privilege: SYSCALL and SYSRET (SDM Vol. 3A 5.8.8), STAC and CLAC. What derives from the privilege changes
/// with it, as <see cref="Segmentation.ProcessorMode.Changed"/> has it.
/// </summary>
internal sealed unsafe partial class BlockTranslator
{
    private const int Rcx = 1;
    private const int R11 = 11;

    private void EmitSystemCall(int n)
    {
        ref Step step = ref _steps[n];
        GiveUpHostFlags(FlagUse.All);
        int exit = AddCheck(n, StateOffsets.Efer, (int)EferBits.Sce, HostCondition.Equal);
        _exits[exit].Count = InterpretSite.ToTheEnd;

        // Alignment checks would end here.
        _emitter.TestState32(StateOffsets.SystemFlags, (int)RflagsBits.Ac);
        AlsoTakes(exit, _emitter.Jcc(HostCondition.NotEqual));
        EmitReadFlags();
        _emitter.StoreState(CpuState.GprOffset(R11), HostRegister.Rax);
        _emitter.MovImmediate(RegisterMap.Of(Rcx), step.Source.NextIP);
        _emitter.LoadState(HostRegister.R11, StateOffsets.Fmask);
        _emitter.RegisterForm(0xF7, true, (HostRegister)2, HostRegister.R11); // NOT
        _emitter.RegisterForm(0x23, true, HostRegister.Rax, HostRegister.R11); // AND
        EmitWriteFlags();
        _emitter.Load32(HostRegister.Rax, HostRegister.Rbp, StateOffsets.Star + 4 - Emitter.StateBias);
        _emitter.And32(HostRegister.Rax, 0xFFFC);
        _emitter.Lea(HostRegister.R11, HostRegister.Rax, HostRegister.None, 0, 8);
        EmitFlatSegment(StateOffsets.Cs, HostRegister.Rax, SystemCalls.Code64);
        EmitFlatSegment(StateOffsets.Ss, HostRegister.R11, SystemCalls.Data);
        EmitPrivilege(0, _block->Mode & ~BlockMode.User, TlbPrivilege.SupervisorUnderSmap);
        _emitter.LoadState(HostRegister.R11, StateOffsets.Lstar);
        EmitIndirectJump(step.Slot, 0);
    }

    private void EmitSystemReturn(int n)
    {
        ref Step step = ref _steps[n];
        GiveUpHostFlags(FlagUse.All);
        int exit = AddCheck(n, StateOffsets.Efer, (int)EferBits.Sce, HostCondition.Equal);
        _exits[exit].Count = InterpretSite.ToTheEnd;
        _emitter.CmpStateByte(StateOffsets.Cpl);
        AlsoTakes(exit, _emitter.Jcc(HostCondition.NotEqual));

        // A target that is not canonical faults here.
        _emitter.Mov(HostRegister.Rax, RegisterMap.Of(Rcx));
        _emitter.ShiftLeft(HostRegister.Rax, 16);
        _emitter.ShiftRightSigned(HostRegister.Rax, 16, wide: true);
        _emitter.RegisterForm(0x3B, true, HostRegister.Rax, RegisterMap.Of(Rcx)); // CMP
        int other = AddInterpretExit(_emitter.Jcc(HostCondition.NotEqual), n, n);
        _exits[other].Count = InterpretSite.ToTheEnd;

        // Single steps, alignment checks, and an interrupt that waits for IF are more than a change of privilege.
        _emitter.LoadState(HostRegister.Rax, CpuState.GprOffset(R11));
        _emitter.Test32(HostRegister.Rax, (int)(RflagsBits.Tf | RflagsBits.Ac));
        AlsoTakes(other, _emitter.Jcc(HostCondition.NotEqual));
        _emitter.CmpStateByte(StateOffsets.AwaitsInterruptWindow);
        int awaited = AddInterpretExit(_emitter.Jcc(HostCondition.NotEqual), n, n);
        _exits[awaited].Count = InterpretSite.ToTheEnd;
        _emitter.And32(HostRegister.Rax, (int)SystemCalls.RestoredFlags);
        EmitWriteFlags();
        _emitter.Load32(HostRegister.Rax, HostRegister.Rbp, StateOffsets.Star + 4 - Emitter.StateBias);
        _emitter.ShiftRight32(HostRegister.Rax, 16);
        _emitter.Lea(HostRegister.R11, HostRegister.Rax, HostRegister.None, 0, 8);
        _emitter.Lea(HostRegister.Rax, HostRegister.Rax, HostRegister.None, 0, 16);
        _emitter.Or32(HostRegister.R11, 3);
        _emitter.Or32(HostRegister.Rax, 3);
        EmitFlatSegment(StateOffsets.Cs, HostRegister.Rax, SystemCalls.Code64 | SystemCalls.User);
        EmitFlatSegment(StateOffsets.Ss, HostRegister.R11, SystemCalls.Data | SystemCalls.User);
        EmitPrivilege(3, _block->Mode | BlockMode.User, TlbPrivilege.User);
        _emitter.Mov(HostRegister.R11, RegisterMap.Of(Rcx));
        EmitIndirectJump(step.Slot, 0);
    }

    private void EmitAccessControl(int n)
    {
        bool allow = _steps[n].Kind == StepKind.AllowAccess;
        GiveUpHostFlags(_steps[n].LiveBefore);
        _emitter.CmpStateByte(StateOffsets.Cpl);
        int exit = AddInterpretExit(_emitter.Jcc(HostCondition.NotEqual), n, n);
        if (allow)
        {
            _emitter.OrState32(StateOffsets.SystemFlags, (int)RflagsBits.Ac);
        }
        else
        {
            _emitter.AndState32(StateOffsets.SystemFlags, ~(int)RflagsBits.Ac);
        }

        EmitSelectTlbs(allow ? TlbPrivilege.Supervisor : TlbPrivilege.SupervisorUnderSmap);
        Resume(exit, n);
    }

    private int AddCheck(int n, int offset, int mask, HostCondition refused)
    {
        _emitter.TestState32(offset, mask);
        return AddInterpretExit(_emitter.Jcc(refused), n, n);
    }

    // Base 0, limit 4 GiB - 1, fixed rights. The register that has the selector is lost.
    private void EmitFlatSegment(int segment, HostRegister selector, uint rights)
    {
        _emitter.StoreState16(segment + SelectorOffset, selector);
        _emitter.StoreState32(segment + LimitOffset, -1);
        _emitter.StoreState32(segment + RightsOffset, (int)rights);
        _emitter.MovImmediate(selector, 0);
        _emitter.StoreState(segment + BaseOffset, selector);
        _emitter.StoreState(StateOffsets.SegmentBase + (8 * ((segment - CpuState.SegmentOffset) / sizeof(SegmentCache))), selector);
    }

    private static readonly int BaseOffset = OffsetInSegment(nameof(SegmentCache.Base));
    private static readonly int LimitOffset = OffsetInSegment(nameof(SegmentCache.Limit));
    private static readonly int RightsOffset = OffsetInSegment(nameof(SegmentCache.AccessRights));
    private static readonly int SelectorOffset = OffsetInSegment(nameof(SegmentCache.Selector));

    private static int OffsetInSegment(string field) => (int)System.Runtime.InteropServices.Marshal.OffsetOf<SegmentCache>(field);

    private void EmitPrivilege(int level, uint mode, TlbPrivilege tables)
    {
        _emitter.StoreStateByte(StateOffsets.Cpl, level);
        _emitter.StoreState32(StateOffsets.BlockMode, (int)mode);
        _emitter.StoreState32(StateOffsets.LocalJumpKey, (int)mode);
        _emitter.StoreState32(StateOffsets.GlobalJumpKey, (int)mode);
        EmitSelectTlbs(tables);
    }

    private void EmitSelectTlbs(TlbPrivilege tables)
    {
        _emitter.LoadState(HostRegister.Rax, StateOffsets.PrivilegeTlbs + (8 * (int)tables));
        _emitter.StoreState(StateOffsets.ReadTlb, HostRegister.Rax);
        _emitter.LoadState(HostRegister.Rax, StateOffsets.PrivilegeTlbs + (8 * (int)tables) + 8);
        _emitter.StoreState(StateOffsets.WriteTlb, HostRegister.Rax);
    }
}
