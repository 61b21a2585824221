using Vmm.Sdk;

namespace Vmm.Plugins.PciHostBridge;

/// <summary>
/// The reset control register of Intel chipsets (82371SB data sheet, "RC—Reset Control Register", I/O address 0xCF9).
/// It lies inside the double word of CONFIG_ADDRESS and is told apart by the width of the access. Bit 2 going from 0
/// to 1 resets; bits 1 (hard reset) and 3 (full reset) say how, which makes no difference to a virtual machine.
/// </summary>
internal sealed class ResetControl(IPowerControl power)
{
    private const byte ResetProcessor = 1 << 2;
    private const byte Implemented = 0x0e;

    private byte _value;

    public byte Value
    {
        get => _value;
        set => _value = (byte)(value & Implemented);
    }

    public void Write(byte value)
    {
        bool resets = (value & ResetProcessor) != 0 && (_value & ResetProcessor) == 0;
        Value = value;
        if (resets)
        {
            power.Reset();
        }
    }
}
