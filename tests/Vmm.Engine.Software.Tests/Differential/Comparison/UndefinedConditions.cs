using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>The condition codes of the x87 status word that the SDM (Vol. 1 table 8-1, Vol. 2 "FPU Flags Affected") leaves undefined.</summary>
internal static class UndefinedConditions
{
    private const ushort C0 = 0x100;
    private const ushort C1 = 0x200;
    private const ushort C2 = 0x400;
    private const ushort C3 = 0x4000;

    private static readonly HashSet<Mnemonic> DefineAll =
    [
        Mnemonic.Fcom, Mnemonic.Fcomp, Mnemonic.Fcompp, Mnemonic.Ficom, Mnemonic.Ficomp, Mnemonic.Fucom, Mnemonic.Fucomp, Mnemonic.Fucompp,
        Mnemonic.Ftst, Mnemonic.Fxam, Mnemonic.Fprem, Mnemonic.Fprem1, Mnemonic.Fldenv, Mnemonic.Frstor, Mnemonic.Fxrstor, Mnemonic.Fxrstor64,
        Mnemonic.Fninit, Mnemonic.Fnsave,
    ];

    private static readonly HashSet<Mnemonic> DefineC1AndC2 =
        [Mnemonic.Fsin, Mnemonic.Fcos, Mnemonic.Fsincos, Mnemonic.Fptan];

    private static readonly HashSet<Mnemonic> LeaveC1 = [Mnemonic.Fnop, Mnemonic.Fcomi, Mnemonic.Fcomip, Mnemonic.Fucomi, Mnemonic.Fucomip];

    /// <summary>
    /// Conversions to MMX registers that end in #XM, and MASKMOVQ that faults: some processors have entered MMX state by
    /// then, others not yet.
    /// </summary>
    public static bool IsStackUndefined(Mnemonic mnemonic, ulong vector) =>
        (vector != CaseResult.Breakpoint && mnemonic == Mnemonic.Maskmovq)
        || vector == CaseResult.SimdFloatingPoint
        && mnemonic is Mnemonic.Cvtps2pi or Mnemonic.Cvttps2pi or Mnemonic.Cvtpd2pi or Mnemonic.Cvttpd2pi or Mnemonic.Cvtpi2ps;

    /// <summary>
    /// Whether TOP and tags may be those of MMX state, or not: stores from MMX registers that fault. State should be as
    /// before (SDM Vol. 3A 6.5), but some models have entered MMX state (SDM Vol. 3A 12.2) by then.
    /// </summary>
    public static bool MayEnterMmxState(in Instruction instruction, ulong vector) =>
        SimultaneousFaults.IsMemoryFault(vector)
        && instruction.Op0Kind == OpKind.Memory
        && instruction.Mnemonic is Mnemonic.Movd or Mnemonic.Movq or Mnemonic.Movntq
        && instruction.Op1Register.IsMM();

    /// <summary>
    /// The undefined bits after an instruction. FLD ST(i) of an empty register to a full stack may report either in C1,
    /// and which way an approximation was rounded depends on it.
    /// </summary>
    public static ushort Of(in Instruction instruction) =>
        (ushort)(OfMnemonic(instruction.Mnemonic) | (instruction.Code == Code.Fld_sti || Approximation.IsTranscendental(instruction.Mnemonic) ? C1 : 0));

    private static ushort OfMnemonic(Mnemonic mnemonic) =>
        !mnemonic.ToString().StartsWith('F') || DefineAll.Contains(mnemonic) ? (ushort)0
        : DefineC1AndC2.Contains(mnemonic) ? (ushort)(C0 | C3)
        : mnemonic is Mnemonic.Fnclex or Mnemonic.Fldcw or Mnemonic.Fnstcw or Mnemonic.Fnstenv or Mnemonic.Ffree or Mnemonic.Ffreep
            || LeaveC1.Contains(mnemonic) ? (ushort)(C0 | C1 | C2 | C3)
        : (ushort)(C0 | C2 | C3);
}
