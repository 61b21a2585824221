using Vmm.Sdk;

namespace Vmm.Plugins.Port92;

/// <summary>
/// System control port A of the PS/2: fast A20 gate and fast reset (Intel 82371SB data sheet, 2.5.8, "Port 92").
/// </summary>
[DeviceModel("port-92", Description = "Fast A20 gate and fast reset (port 0x92)")]
public sealed class Port92Device(IDeviceContext context, IAddressLine20 a20, IPowerControl power) : DeviceModel, IPortDevice
{
    private const byte FastReset = 1 << 0;
    private const byte AddressLine20 = 1 << 1;

    /// <summary>Bits without a function here (disk activity lights, password lock) that still hold what was written.</summary>
    private const byte Kept = 0xc8;

    private byte _value;

    public override void Attach() => context.Ports.Claim("port-92", 0x92, 1, AccessWidths.Byte, this);

    public override void Reset(ResetKind kind) => _value = 0;

    // The keyboard controller drives the same gate, so that the bit shows the gate, not what was last written here.
    public ulong Read(uint offset, AccessWidth width) => _value | (a20.Enabled ? AddressLine20 : 0ul);

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        bool resets = (value & FastReset) != 0 && (_value & FastReset) == 0;
        _value = (byte)(value & (Kept | FastReset));
        a20.Enabled = (value & AddressLine20) != 0;
        if (resets)
        {
            power.Reset();
        }
    }

    // The gate itself is the machine's, and saved with it.
    public override void Save(IStateWriter state) => state.UInt8(1, _value);

    public override void Restore(IStateReader state) => _value = (byte)(state.UInt8(1) & (Kept | FastReset));
}
