using Vmm.Sdk;

namespace Vmm.Plugins.PciHostBridge;

/// <summary>
/// The registers that the bridge has beyond its header. It answers for them itself, as every configuration access
/// passes through it.
/// </summary>
internal sealed class BridgeRegisters(IPciSlot slot, ProgrammableAttributeMap attributes)
{
    /// <summary>What a function's register reads as: the header's value with the registers of the bridge in their places.</summary>
    public uint Read(PciAddress function, ushort register, AccessWidth width, uint header)
    {
        for (int i = 0; i < (int)width; i++)
        {
            if (TryFind(function, register + i, out int index))
            {
                header = (header & ~(0xffu << (8 * i))) | ((uint)attributes.Values[index] << (8 * i));
            }
        }

        return header;
    }

    public void Write(PciAddress function, ushort register, AccessWidth width, uint value)
    {
        for (int i = 0; i < (int)width; i++)
        {
            if (TryFind(function, register + i, out int index))
            {
                attributes.Write(index, (byte)(value >> (8 * i)));
            }
        }
    }

    private bool TryFind(PciAddress function, int register, out int index)
    {
        index = register - ProgrammableAttributeMap.FirstRegister;
        return index is >= 0 and < ProgrammableAttributeMap.Registers && function == slot.Address;
    }
}
