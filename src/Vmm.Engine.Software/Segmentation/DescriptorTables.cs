using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>Reads of GDT and LDT (SDM Vol. 3A 3.5.1).</summary>
internal static unsafe class DescriptorTables
{
    /// <summary>Bit 2 of a selector: it indexes the LDT.</summary>
    private const int TableIndicator = 4;

    public static bool IsNull(ushort selector) => (selector & ~3) == 0;

    /// <summary>Reads a descriptor; a selector outside its table raises <paramref name="vector"/> with the selector.</summary>
    public static Outcome Read(CpuState* s, ushort selector, ExceptionVector vector, out Descriptor descriptor, uint external = 0)
    {
        if (!TryLocate(s, selector, 8, out ulong address))
        {
            descriptor = default;
            return Faults.Raise(s, vector, (uint)(selector & ~3) | external);
        }

        return ReadAt(s, address, out descriptor);
    }

    /// <summary>Reads a descriptor at an address in a table.</summary>
    public static Outcome ReadAt(CpuState* s, ulong address, out Descriptor descriptor)
    {
        bool done = SystemAccess.Read(s, address, out ulong value);
        descriptor = new Descriptor(value);
        return done ? Outcome.Next : SlowAccess.Failure(s);
    }

    /// <summary>Address of a descriptor; false when it does not lie within its table.</summary>
    public static bool TryLocate(CpuState* s, ushort selector, int size, out ulong address)
    {
        uint offset = (uint)(selector & ~7);
        if ((selector & TableIndicator) == 0)
        {
            address = s->GdtrBase + offset;
            return offset + (uint)size - 1 <= s->GdtrLimit;
        }

        address = s->Ldtr.Base + offset;
        return !s->Ldtr.IsUnusable && offset + (uint)size - 1 <= s->Ldtr.Limit;
    }

    /// <summary>Sets the accessed bit of a code or data descriptor, in the table too (SDM Vol. 3A 3.4.5.1).</summary>
    public static Outcome MarkAccessed(CpuState* s, ushort selector, ref Descriptor descriptor)
    {
        if ((descriptor.Type & 1) != 0)
        {
            return Outcome.Next;
        }

        TryLocate(s, selector, 8, out ulong address);
        descriptor = new Descriptor(descriptor.Value | 1UL << 40);
        return SystemAccess.Write(s, address + 5, (byte)(descriptor.Value >> 40)) ? Outcome.Next : SlowAccess.Failure(s);
    }
}
