using Vmm.Sdk;

namespace Vmm.Plugins.FwCfg;

/// <summary>
/// The device by which firmware for virtual machines learns of its board (QEMU's specification "Firmware Configuration
/// (fw_cfg) Device"): a selector, a data port that gives the selected item byte by byte, and DMA. Nothing can be written.
/// </summary>
[DeviceModel("fw-cfg", Description = "Tells firmware what its board is (ports 0x510 to 0x51b)")]
public sealed class FwCfgDevice : DeviceModel, IPortDevice
{
    private const uint SelectorOffset = 0;
    private const uint DataOffset = 1;
    private const int RegisterPorts = 2;
    private const int DmaOffset = 4;
    private const int DmaPorts = 8;

    private readonly FwCfgOptions _options;
    private readonly IDeviceContext _context;
    private readonly ItemReader _reader;
    private readonly DmaRegister _dma;

    public FwCfgDevice(FwCfgOptions options, IDeviceContext context, IBoard board, IFirmwareFiles files)
    {
        _options = options;
        _context = context;
        _reader = new ItemReader(new FwCfgItems(options, board, files.Files));
        _dma = new DmaRegister(_reader, context.Memory);
    }

    public override void Attach()
    {
        _context.Ports.Claim("fw-cfg", _options.Port, RegisterPorts, AccessWidths.Byte | AccessWidths.Word, this);
        _context.Ports.Claim("fw-cfg-dma", (ushort)(_options.Port + DmaOffset), DmaPorts, AccessWidths.DoubleWord, _dma);
    }

    public override void Reset(ResetKind kind)
    {
        _reader.Select(0);
        _dma.AddressHigh = 0;
    }

    public ulong Read(uint offset, AccessWidth width) =>
        (offset, width) == (DataOffset, AccessWidth.Byte) ? _reader.ReadByte() : ulong.MaxValue;

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        if ((offset, width) == (SelectorOffset, AccessWidth.Word))
        {
            _reader.Select((ushort)value);
        }
    }

    public override void Save(IStateWriter state)
    {
        state.UInt16(1, _reader.Key);
        state.UInt32(2, _reader.Position);
        state.UInt32(3, _dma.AddressHigh);
    }

    public override void Restore(IStateReader state)
    {
        _reader.Select(state.UInt16(1));
        _reader.Position = state.UInt32(2);
        _dma.AddressHigh = state.UInt32(3);
    }
}
