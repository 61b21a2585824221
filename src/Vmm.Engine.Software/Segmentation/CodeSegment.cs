using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>Loads of CS by far transfers (SDM Vol. 3A 5.8).</summary>
internal static unsafe class CodeSegment
{
    /// <summary>Checks of the target segment of a far JMP or CALL without gate; sets the accessed bit.</summary>
    public static Outcome CheckDirect(CpuState* s, ushort selector, ref Descriptor descriptor)
    {
        uint error = (uint)(selector & ~3);
        bool allowed = descriptor.IsConforming
            ? descriptor.Dpl <= s->Cpl
            : (selector & 3) <= s->Cpl && descriptor.Dpl == s->Cpl;
        if (!allowed || IsMalformedLong(s, descriptor))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, error);
        }

        return descriptor.IsPresent
            ? DescriptorTables.MarkAccessed(s, selector, ref descriptor)
            : Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
    }

    /// <summary>L and D both set: reserved in IA-32e mode.</summary>
    public static bool IsMalformedLong(CpuState* s, Descriptor descriptor) =>
        ProcessorMode.IsLong(s) && descriptor.IsLong && descriptor.IsBig;

    /// <summary>Whether an offset is a possible RIP in a segment: canonical in 64-bit code, else within the limit.</summary>
    public static bool Contains(CpuState* s, Descriptor code, ulong offset) => ProcessorMode.IsLong(s) && code.IsLong
        ? ProcessorMode.IsCanonical(offset)
        : offset <= code.Limit;

    /// <summary>Makes a checked descriptor the current code segment.</summary>
    public static void Load(CpuState* s, ushort selector, Descriptor descriptor, int cpl, ulong rip)
    {
        s->Cs = descriptor.ToSegment((ushort)((selector & ~3) | cpl));
        s->Cpl = (byte)cpl;
        s->Rip = rip;
        ProcessorMode.Changed(s);
    }
}
