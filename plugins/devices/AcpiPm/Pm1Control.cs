using Vmm.Sdk;

namespace Vmm.Plugins.AcpiPm;

/// <summary>
/// The PM1 control register (ACPI 6.5, 4.8.3.2.1). SCI_EN is always set: without an SMI command port there is no
/// legacy mode to leave.
/// </summary>
internal sealed class Pm1Control(IPowerControl power) : IPortDevice
{
    /// <summary>SLP_TYP of soft-off (S5), as the _S5 object in the DSDT gives it.</summary>
    private const ulong SoftOff = 5;

    private const ushort SciEnable = 1 << 0;
    private const ushort BusMasterReload = 1 << 1;
    private const ushort SleepEnable = 1 << 13;

    private static readonly BitField SleepType = new(10, 3);

    private ushort _value;

    public ushort Value
    {
        get => (ushort)(_value | SciEnable);
        set => _value = (ushort)(value & (BusMasterReload | SleepType.Mask));
    }

    public ulong Read(uint offset, AccessWidth width) => (ulong)Value >> (int)(offset * 8);

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        int shift = (int)(offset * 8);
        ulong written = (width == AccessWidth.Byte ? 0xfful : 0xfffful) << shift;
        ulong merged = (Value & ~written) | ((value << shift) & written);
        Value = (ushort)merged;

        // SLP_EN and GBL_RLS are write-only triggers; the latter would call firmware that is not there.
        if ((merged & SleepEnable) != 0 && SleepType.Get(merged) == SoftOff)
        {
            power.PowerOff();
        }
    }
}
