namespace Vmm.Sdk.Testing;

/// <summary>Configuration spaces of PCI functions as plain bytes: all writable, all ones where there is no function.</summary>
public sealed class FakePciConfigurationSpace : IPciConfigurationSpace
{
    private readonly Dictionary<PciAddress, byte[]> _functions = [];

    /// <summary>Adds a function.</summary>
    /// <param name="address">Where it sits.</param>
    /// <returns>Its 4096 bytes.</returns>
    public byte[] Add(PciAddress address) => _functions[address] = new byte[4096];

    /// <inheritdoc/>
    public uint Read(PciAddress address, ushort offset, AccessWidth width)
    {
        var value = 0u;
        for (var i = 0; i < (int)width; i++)
        {
            value |= (uint)(_functions.TryGetValue(address, out var bytes) ? bytes[offset + i] : 0xff) << (8 * i);
        }

        return value;
    }

    /// <inheritdoc/>
    public void Write(PciAddress address, ushort offset, AccessWidth width, uint value)
    {
        if (_functions.TryGetValue(address, out var bytes))
        {
            for (var i = 0; i < (int)width; i++)
            {
                bytes[offset + i] = (byte)(value >> (8 * i));
            }
        }
    }
}
