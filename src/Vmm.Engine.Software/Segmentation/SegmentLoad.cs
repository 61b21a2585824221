using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>Loads of segment registers with the checks of SDM Vol. 3A 5.6 and the MOV, POP and LDS instruction pages.</summary>
internal static unsafe class SegmentLoad
{
    /// <summary>AR of a segment loaded with a null selector.</summary>
    public const uint Unusable = 0x1_0000;

    /// <summary>AR of every segment in virtual-8086 mode: present, DPL 3, writable data, accessed.</summary>
    public const uint Virtual8086Rights = 0xF3;

    /// <summary>Loads ES, SS, DS, FS or GS, in any mode.</summary>
    public static Outcome Load(CpuState* s, SegmentRegister register, ushort selector)
    {
        if (ProcessorMode.UsesParagraphs(s))
        {
            LoadParagraph(s, register, selector);
            ProcessorMode.Changed(s);
            return Outcome.Next;
        }

        Outcome outcome = Check(s, register, selector, out SegmentCache cache);
        if (outcome == Outcome.Next)
        {
            (&s->Es)[(int)register] = cache;
            ProcessorMode.Changed(s);
        }

        return outcome;
    }

    /// <summary>Selector to paragraph. Real mode leaves limit and rights as they are: big real mode lives from that.</summary>
    public static void LoadParagraph(CpuState* s, SegmentRegister register, ushort selector)
    {
        SegmentCache* segment = &s->Es + (int)register;
        segment->Selector = selector;
        segment->Base = (uint)selector << 4;
        if (ProcessorMode.IsVirtual8086(s))
        {
            segment->Limit = 0xFFFF;
            segment->AccessRights = Virtual8086Rights;
        }
        else
        {
            segment->AccessRights &= ~Unusable;
        }
    }

    /// <summary>All checks of a load in protected mode, and the accessed bit; changes no register.</summary>
    public static Outcome Check(CpuState* s, SegmentRegister register, ushort selector, out SegmentCache cache) =>
        register == SegmentRegister.Ss
            ? CheckStack(s, selector, s->Cpl, ExceptionVector.GeneralProtection, 0, out cache)
            : CheckData(s, selector, ExceptionVector.GeneralProtection, s->Cpl, out cache);

    /// <summary>DS, ES, FS, GS.</summary>
    public static Outcome CheckData(CpuState* s, ushort selector, ExceptionVector vector, int cpl, out SegmentCache cache)
    {
        if (DescriptorTables.IsNull(selector))
        {
            cache = NullSegment(selector);
            return Outcome.Next;
        }

        cache = default;
        Outcome outcome = DescriptorTables.Read(s, selector, vector, out Descriptor descriptor);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        uint error = (uint)(selector & ~3);
        int rpl = selector & 3;
        bool conforming = descriptor.IsCode && descriptor.IsConforming;
        if (!(descriptor.IsData || descriptor.IsReadableCode)
            || (!conforming && (rpl > descriptor.Dpl || cpl > descriptor.Dpl)))
        {
            return Faults.Raise(s, vector, error);
        }

        if (!descriptor.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
        }

        return Finish(s, selector, ref descriptor, out cache);
    }

    /// <summary>SS for a given privilege level; <paramref name="vector"/> is #GP for loads, #TS for stacks out of a TSS.</summary>
    public static Outcome CheckStack(CpuState* s, ushort selector, int cpl, ExceptionVector vector, uint external, out SegmentCache cache)
    {
        cache = default;
        if (DescriptorTables.IsNull(selector))
        {
            // 64-bit mode runs without a stack segment below CPL 3.
            if (ProcessorMode.Is64Bit(s) && cpl < 3 && (selector & 3) == cpl && vector == ExceptionVector.GeneralProtection)
            {
                cache = NullSegment(selector);
                cache.AccessRights |= (uint)cpl << 5;
                return Outcome.Next;
            }

            return Faults.Raise(s, vector, (vector == ExceptionVector.InvalidTss ? (uint)(selector & ~3) : 0) | external);
        }

        Outcome outcome = DescriptorTables.Read(s, selector, vector, out Descriptor descriptor, external);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        uint error = (uint)(selector & ~3) | external;
        if ((selector & 3) != cpl || !descriptor.IsWritableData || descriptor.Dpl != cpl)
        {
            return Faults.Raise(s, vector, error);
        }

        if (!descriptor.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.StackSegmentFault, error);
        }

        return Finish(s, selector, ref descriptor, out cache);
    }

    /// <summary>A register with a null selector: unusable, in 64-bit mode with base 0.</summary>
    public static SegmentCache NullSegment(ushort selector) => new() { Selector = selector, AccessRights = Unusable };

    private static Outcome Finish(CpuState* s, ushort selector, ref Descriptor descriptor, out SegmentCache cache)
    {
        Outcome outcome = DescriptorTables.MarkAccessed(s, selector, ref descriptor);
        cache = descriptor.ToSegment(selector);
        return outcome;
    }
}
