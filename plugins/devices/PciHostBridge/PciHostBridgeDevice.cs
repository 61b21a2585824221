using Vmm.Sdk;

namespace Vmm.Plugins.PciHostBridge;

/// <summary>
/// The host bridge of the Intel 82441FX, with the configuration mechanism and the reset control register of its chipset.
/// </summary>
[DeviceModel("pci-host-bridge", Description = "PCI configuration mechanism #1, reset control (ports 0xcf8 to 0xcff), shadow RAM")]
public sealed class PciHostBridgeDevice : DeviceModel, IPciFunction
{
    private readonly IDeviceContext _context;
    private readonly ResetControl _reset;
    private readonly ProgrammableAttributeMap _attributes;
    private readonly ConfigurationMechanism _mechanism;

    public PciHostBridgeDevice(IDeviceContext context, IPciSlot slot, IPciConfigurationSpace space, IShadowMemory shadow, IPowerControl power)
    {
        _context = context;
        _reset = new ResetControl(power);
        _attributes = new ProgrammableAttributeMap(shadow);
        _mechanism = new ConfigurationMechanism(space, new BridgeRegisters(slot, _attributes), _reset);
    }

    public PciIdentity Identity { get; } = new(VendorId: 0x8086, DeviceId: 0x1237, ClassCode: 0x060000, Revision: 2);

    public override void Attach() => _context.Ports.Claim(
        "pci-configuration", ConfigurationMechanism.FirstPort, ConfigurationMechanism.Length, AccessWidths.AnyPort, _mechanism);

    public override void Reset(ResetKind kind)
    {
        _mechanism.Address = 0;
        _reset.Value = 0;
        _attributes.Reset();
    }

    public override void Save(IStateWriter state)
    {
        state.UInt32(1, _mechanism.Address);
        state.UInt8(2, _reset.Value);
        state.Bytes(3, _attributes.Values);
    }

    public override void Restore(IStateReader state)
    {
        _mechanism.Address = state.UInt32(1);
        _reset.Value = state.UInt8(2);
        Span<byte> attributes = stackalloc byte[ProgrammableAttributeMap.Registers];
        state.Bytes(3, attributes);
        for (int i = 0; i < attributes.Length; i++)
        {
            _attributes.Write(i, attributes[i]);
        }
    }
}
