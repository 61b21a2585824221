using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS (SDM Vol. 3A 5.8.7, 5.8.8).</summary>
internal static unsafe class SystemCalls
{
    // Flat segments with fixed rights, present and accessed.
    public const uint Code64 = 0xA09B;
    private const uint Code32 = 0xC09B;
    public const uint Data = 0xC093;
    public const uint User = 0x60;

    /// <summary>Flags that SYSRET takes from R11: all but RF and VM.</summary>
    public const ulong RestoredFlags = 0x3C_7FD7;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Syscall, &SystemCall);
        table.Set(Code.Sysretd, &SystemReturn32);
        table.Set(Code.Sysretq, &SystemReturn64);
        table.Set(Code.Sysenter, &FastEnter);
        table.Set(Code.Sysexitd, &FastExit32);
        table.Set(Code.Sysexitq, &FastExit64);
        table.Set(Code.Swapgs, &SwapGs);
    }

    private static Outcome SystemCall(CpuState* s, Instruction* i)
    {
        if (!ProcessorMode.Is64Bit(s) || (s->Efer & (ulong)EferBits.Sce) == 0)
        {
            return Faults.InvalidOpcode(s);
        }

        ulong rflags = ArithmeticFlags.ReadRflags(s);
        s->Gpr.Rcx = i->NextRip;
        s->Gpr.R11 = rflags & ~(ulong)RflagsBits.Rf;
        ushort selector = (ushort)(s->Star >> 32 & 0xFFFC);
        ArithmeticFlags.WriteRflags(s, rflags & ~(s->Fmask | (ulong)RflagsBits.Rf));
        Enter(s, selector, (ushort)(selector + 8), Code64, s->Lstar, 0);
        return Outcome.Branch;
    }

    private static Outcome SystemReturn32(CpuState* s, Instruction* i) => SystemReturn(s, wide: false);

    private static Outcome SystemReturn64(CpuState* s, Instruction* i) => SystemReturn(s, wide: true);

    private static Outcome SystemReturn(CpuState* s, bool wide)
    {
        if (!ProcessorMode.Is64Bit(s) || (s->Efer & (ulong)EferBits.Sce) == 0)
        {
            return Faults.InvalidOpcode(s);
        }

        if (s->Cpl != 0 || (wide && !ProcessorMode.IsCanonical(s->Gpr.Rcx)))
        {
            return Faults.GeneralProtection(s);
        }

        ArithmeticFlags.WriteRflags(s, (s->Gpr.R11 & RestoredFlags) | 2);
        ushort selector = (ushort)(s->Star >> 48);
        Enter(
            s, (ushort)((selector + (wide ? 16 : 0)) | 3), (ushort)((selector + 8) | 3), wide ? Code64 : Code32,
            wide ? s->Gpr.Rcx : (uint)s->Gpr.Rcx, 3);
        Privilege.NonRoot(s).LookForInterrupts();
        return Outcome.Branch;
    }

    private static Outcome FastEnter(CpuState* s, Instruction* i)
    {
        if (!ProcessorMode.IsProtected(s) || (s->SysenterCs & 0xFFFC) == 0)
        {
            return Faults.GeneralProtection(s);
        }

        bool wide = ProcessorMode.IsLong(s);
        s->SystemFlags &= ~(ulong)(RflagsBits.Vm | RflagsBits.If | RflagsBits.Rf);
        s->Gpr.Rsp = wide ? s->SysenterEsp : (uint)s->SysenterEsp;
        ushort selector = (ushort)(s->SysenterCs & 0xFFFC);
        Enter(s, selector, (ushort)(selector + 8), wide ? Code64 : Code32, wide ? s->SysenterEip : (uint)s->SysenterEip, 0);
        return Outcome.Branch;
    }

    private static Outcome FastExit32(CpuState* s, Instruction* i) => FastExit(s, wide: false);

    private static Outcome FastExit64(CpuState* s, Instruction* i) => FastExit(s, wide: true);

    private static Outcome FastExit(CpuState* s, bool wide)
    {
        if (!ProcessorMode.IsProtected(s) || s->Cpl != 0 || (s->SysenterCs & 0xFFFC) == 0
            || (wide && !(ProcessorMode.IsCanonical(s->Gpr.Rcx) && ProcessorMode.IsCanonical(s->Gpr.Rdx))))
        {
            return Faults.GeneralProtection(s);
        }

        ushort selector = (ushort)(s->SysenterCs + (wide ? 32u : 16));
        s->Gpr.Rsp = wide ? s->Gpr.Rcx : (uint)s->Gpr.Rcx;
        Enter(
            s, (ushort)(selector | 3), (ushort)((selector + 8) | 3), wide ? Code64 : Code32,
            wide ? s->Gpr.Rdx : (uint)s->Gpr.Rdx, 3);
        return Outcome.Branch;
    }

    private static Outcome SwapGs(CpuState* s, Instruction* i)
    {
        if (!ProcessorMode.Is64Bit(s))
        {
            return Faults.InvalidOpcode(s);
        }

        if (s->Cpl != 0)
        {
            return Faults.GeneralProtection(s);
        }

        (s->Gs.Base, s->KernelGsBase) = (s->KernelGsBase, s->Gs.Base);
        s->SegmentBase[(int)SegmentRegister.Gs] = s->Gs.Base;
        return Outcome.Next;
    }

    // The descriptors are not read: software must keep them as the processor assumes them.
    private static void Enter(CpuState* s, ushort code, ushort stack, uint codeRights, ulong rip, int cpl)
    {
        uint level = cpl == 3 ? User : 0;
        s->Cs = new SegmentCache { Selector = code, Limit = uint.MaxValue, AccessRights = codeRights | level };
        s->Ss = new SegmentCache { Selector = stack, Limit = uint.MaxValue, AccessRights = Data | level };
        s->Cpl = (byte)cpl;
        s->Rip = rip;
        ProcessorMode.Changed(s);
    }
}
