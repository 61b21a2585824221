using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>The operating mode (SDM Vol. 3A 2.2) and what must follow when it changes.</summary>
internal static unsafe class ProcessorMode
{
    public static bool IsProtected(CpuState* s) => (s->Cr0 & (ulong)Cr0Bits.Pe) != 0;

    public static bool IsVirtual8086(CpuState* s) => (s->SystemFlags & (ulong)RflagsBits.Vm) != 0;

    /// <summary>Real-address or virtual-8086 mode: a selector is a paragraph number.</summary>
    public static bool UsesParagraphs(CpuState* s) => !IsProtected(s) || IsVirtual8086(s);

    /// <summary>IA-32e mode: 64-bit or compatibility mode.</summary>
    public static bool IsLong(CpuState* s) => (s->Efer & (ulong)EferBits.Lma) != 0;

    /// <summary>64-bit mode.</summary>
    public static bool Is64Bit(CpuState* s) => IsLong(s) && s->Cs.IsLong;

    public static int Iopl(CpuState* s) => (int)(s->SystemFlags >> 12) & 3;

    /// <summary>An address whose bits 63:47 are all alike (4-level paging).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsCanonical(ulong address) => (ulong)((long)(address << 16) >> 16) == address;

    /// <summary>Ends the shadow of STI or of a load of SS.</summary>
    public static void ClearShadow(CpuState* s)
    {
        if ((s->Interruptibility & 3) != 0)
        {
            s->Interruptibility &= unchecked((byte)~3);
            BlockMode.Update(s);
        }
    }

    /// <summary>
    /// After any change of segment registers, CPL, CR0, CR4, EFER or the system flags: everything derived from them.
    /// </summary>
    public static void Changed(CpuState* s)
    {
        SegmentCache* segment = &s->Es;
        for (int number = 0; number <= (int)SegmentRegister.Gs; number++)
        {
            s->SegmentBase[number] = segment[number].Base;
        }

        BlockMode.Update(s);
        LogicalProcessor.Of(s).Mmu.UpdatePrivilege();
    }
}
