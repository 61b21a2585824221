using Vmm.Sdk;

namespace Vmm.Plugins.AcpiPm;

/// <summary>
/// A status register and the enable register behind it, 16 bits each (ACPI 6.5, 4.8.1): status bits are cleared by
/// writing ones to them.
/// </summary>
internal sealed class EventRegisters(ushort implementedEnables, Action refresh) : IPortDevice
{
    public ushort Status { get; set; }

    public ushort Enable { get; set; }

    /// <summary>Whether an enabled event waits.</summary>
    public bool Pending => (Status & Enable) != 0;

    public void Clear()
    {
        Status = 0;
        Enable = 0;
    }

    public ulong Read(uint offset, AccessWidth width)
    {
        refresh();
        uint both = Status | ((uint)Enable << 16);
        return both >> (int)(offset * 8);
    }

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        // What happened before the write is there for the write to clear.
        refresh();
        int shift = (int)(offset * 8);
        ulong written = (width == AccessWidth.Byte ? 0xfful : 0xfffful) << shift;
        ulong bits = (value << shift) & written;

        Status &= (ushort)~bits;
        Enable = (ushort)(((Enable & ~(written >> 16)) | (bits >> 16)) & implementedEnables);
        refresh();
    }

    public void Save(IStateWriter state)
    {
        state.UInt16(1, Status);
        state.UInt16(2, Enable);
    }

    public void Restore(IStateReader state)
    {
        Status = state.UInt16(1);
        Enable = (ushort)(state.UInt16(2) & implementedEnables);
    }
}
