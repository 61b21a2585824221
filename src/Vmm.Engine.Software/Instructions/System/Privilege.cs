using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>What nearly every system instruction asks first.</summary>
internal static unsafe class Privilege
{
    public static NonRoot NonRoot(CpuState* s) => LogicalProcessor.Of(s).NonRoot;

    /// <summary>CPL 0; in virtual-8086 mode CPL is 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsSupervisor(CpuState* s) => s->Cpl == 0;

    /// <summary>User-mode instruction prevention (SDM Vol. 3A 2.5, CR4.UMIP).</summary>
    public static bool IsPrevented(CpuState* s) => s->Cpl > 0 && (s->Cr4 & (ulong)Cr4Bits.Umip) != 0;

    /// <summary>Instructions that real-address and virtual-8086 mode do not recognise.</summary>
    public static bool NeedsProtectedMode(CpuState* s) => ProcessorMode.UsesParagraphs(s);

    /// <summary>#UD for a LOCK prefix is the decoder's matter; this is #UD by mode or feature.</summary>
    public static Outcome Undefined(CpuState* s) => Faults.InvalidOpcode(s);

    /// <summary>Number of a general register from its offset, for exit qualifications.</summary>
    public static int RegisterNumber(ushort offset) => offset / 8;
}
