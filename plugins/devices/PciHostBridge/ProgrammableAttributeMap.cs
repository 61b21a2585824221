using Vmm.Sdk;

namespace Vmm.Plugins.PciHostBridge;

/// <summary>
/// The PAM registers of the 82441FX (data sheet, 3.2.12): whether reads and writes of C0000h to FFFFFh go to RAM or to
/// the bus, where the ROM of the firmware is. Two segments a register, but the first: that has the last 64 KiB.
/// </summary>
internal sealed class ProgrammableAttributeMap(IShadowMemory shadow)
{
    public const ushort FirstRegister = 0x59;
    public const int Registers = 7;

    private const ulong ShadowStart = 0xc_0000, FirmwareStart = 0xf_0000, ShadowEnd = 0x10_0000;
    private const ulong SegmentLength = 16 << 10;

    /// <summary>RE is bit 0 of a half, WE bit 1; the others are reserved.</summary>
    private const byte Half = 3;
    private const int UpperHalf = 4;
    private const byte Implemented = (Half << UpperHalf) | Half;

    private readonly byte[] _registers = new byte[Registers];

    public ReadOnlySpan<byte> Values => _registers;

    public void Reset()
    {
        Array.Clear(_registers);
        shadow.Set(ShadowStart, ShadowEnd - ShadowStart, ShadowAccess.None);
    }

    public void Write(int index, byte value)
    {
        if (index == 0)
        {
            _registers[0] = (byte)(value & (Half << UpperHalf));
            shadow.Set(FirmwareStart, ShadowEnd - FirmwareStart, Access(value >> UpperHalf));
            return;
        }

        _registers[index] = (byte)(value & Implemented);
        ulong address = ShadowStart + ((ulong)(index - 1) * 2 * SegmentLength);
        shadow.Set(address, SegmentLength, Access(value));
        shadow.Set(address + SegmentLength, SegmentLength, Access(value >> UpperHalf));
    }

    private static ShadowAccess Access(int half) => (ShadowAccess)(half & Half);
}
