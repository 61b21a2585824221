using Vmm.Sdk;

namespace Vmm.Plugins.PciHostBridge;

/// <summary>
/// Configuration mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2): CONFIG_ADDRESS at 0xCF8, double words only;
/// CONFIG_DATA at 0xCFC to 0xCFF, any width.
/// </summary>
internal sealed class ConfigurationMechanism(IPciConfigurationSpace space, BridgeRegisters own, ResetControl reset) : IPortDevice
{
    public const ushort FirstPort = 0xcf8;
    public const int Length = 8;

    private const uint ResetControlOffset = 1;
    private const uint DataOffset = 4;
    private const uint Enable = 1u << 31;

    /// <summary>Bits 30:24 are reserved, bits 1:0 read as zero.</summary>
    private const uint Implemented = Enable | 0x00ff_fffc;

    private uint _address;

    public uint Address
    {
        get => _address;
        set => _address = value & Implemented;
    }

    private PciAddress Function => new((byte)(_address >> 16), (byte)((_address >> 11) & 0x1f), (byte)((_address >> 8) & 7));

    public ulong Read(uint offset, AccessWidth width) => (offset, width) switch
    {
        (0, AccessWidth.DoubleWord) => _address,
        (ResetControlOffset, AccessWidth.Byte) => reset.Value,
        _ when TryLocate(offset, width, out ushort register) => own.Read(Function, register, width, space.Read(Function, register, width)),
        _ => ulong.MaxValue,
    };

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        if (offset == 0 && width == AccessWidth.DoubleWord)
        {
            Address = (uint)value;
        }
        else if (offset == ResetControlOffset && width == AccessWidth.Byte)
        {
            reset.Write((byte)value);
        }
        else if (TryLocate(offset, width, out ushort register))
        {
            space.Write(Function, register, width, (uint)value);
            own.Write(Function, register, width, (uint)value);
        }
    }

    /// <summary>The configuration register behind a part of CONFIG_DATA, if that is what is accessed, and enabled.</summary>
    private bool TryLocate(uint offset, AccessWidth width, out ushort register)
    {
        register = (ushort)((_address & 0xfc) | (offset & 3));
        return offset >= DataOffset && offset + (uint)width <= Length && (_address & Enable) != 0;
    }
}
