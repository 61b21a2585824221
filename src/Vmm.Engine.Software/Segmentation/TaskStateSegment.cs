using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>What the processor reads from the current TSS without a task switch (SDM Vol. 3A 8.2, 8.7; Vol. 1 19.5.2).</summary>
internal static unsafe class TaskStateSegment
{
    private const int IoMapBaseOffset = 102;

    /// <summary>Whether a TSS type has the 32-bit layout.</summary>
    public static bool Is32Bit(int type) => (type & 8) != 0;

    /// <summary>The stack for an inner privilege level, 16- and 32-bit TSS.</summary>
    public static Outcome ReadStack(CpuState* s, int cpl, uint external, out ushort selector, out uint pointer)
    {
        selector = 0;
        pointer = 0;
        bool wide = Is32Bit(s->Tr.Type);
        uint offset = (uint)(wide ? 4 + (8 * cpl) : 2 + (4 * cpl));
        if (offset + (wide ? 5u : 3u) > s->Tr.Limit)
        {
            return Faults.Raise(s, ExceptionVector.InvalidTss, (uint)(s->Tr.Selector & ~3) | external);
        }

        bool done;
        if (wide)
        {
            done = SystemAccess.Read(s, s->Tr.Base + offset, out pointer) && SystemAccess.Read(s, s->Tr.Base + offset + 4, out selector);
        }
        else
        {
            done = SystemAccess.Read(s, s->Tr.Base + offset, out ushort word) && SystemAccess.Read(s, s->Tr.Base + offset + 2, out selector);
            pointer = word;
        }

        return done ? Outcome.Next : SlowAccess.Failure(s);
    }

    /// <summary>RSP0 to RSP2, or the interrupt stack <paramref name="ist"/> when it is not 0.</summary>
    public static Outcome ReadLongStack(CpuState* s, int cpl, int ist, uint external, out ulong pointer)
    {
        pointer = 0;
        uint offset = ist != 0 ? 28u + (8 * (uint)ist) : 4u + (8 * (uint)cpl);
        if (offset + 7 > s->Tr.Limit)
        {
            return Faults.Raise(s, ExceptionVector.InvalidTss, (uint)(s->Tr.Selector & ~3) | external);
        }

        if (!SystemAccess.Read(s, s->Tr.Base + offset, out pointer))
        {
            return SlowAccess.Failure(s);
        }

        return ProcessorMode.IsCanonical(pointer) ? Outcome.Next : Faults.Raise(s, ExceptionVector.StackSegmentFault, external);
    }

    /// <summary>The I/O permission bitmap; <see cref="Outcome.Next"/>: all bits of the access are clear.</summary>
    public static Outcome CheckPort(CpuState* s, ushort port, int width)
    {
        if (s->Tr.IsUnusable || !Is32Bit(s->Tr.Type) || s->Tr.Limit < IoMapBaseOffset + 1)
        {
            return Faults.GeneralProtection(s);
        }

        if (!SystemAccess.Read(s, s->Tr.Base + IoMapBaseOffset, out ushort mapBase))
        {
            return SlowAccess.Failure(s);
        }

        // Two bytes are read always, so that an access may straddle.
        uint offset = (uint)mapBase + ((uint)port >> 3);
        if (offset + 1 > s->Tr.Limit)
        {
            return Faults.GeneralProtection(s);
        }

        if (!SystemAccess.Read(s, s->Tr.Base + offset, out ushort bits))
        {
            return SlowAccess.Failure(s);
        }

        uint mask = ((1u << width) - 1) << (port & 7);
        return (bits & mask) == 0 ? Outcome.Next : Faults.GeneralProtection(s);
    }
}
