using System.Buffers.Binary;

namespace Vmm.Kernel;

/// <summary>A base-address register and the claim that follows it (PCI Local Bus Specification 3.0, 6.2.5).</summary>
internal sealed class PciBar(IRegionClaim claim, ulong length, bool isPort, bool is64Bit)
{
    private const uint Port = 1, Memory64 = 4;
    private ulong _address;
    private bool _enabled;

    public IRegionClaim Claim => claim;

    public ulong Length { get; } = length;

    public bool IsPort { get; } = isPort;

    public bool Is64Bit { get; } = is64Bit;

    public uint TypeBits => (IsPort ? Port : 0) | (Is64Bit ? Memory64 : 0);

    /// <summary>Follows what the guest wrote.</summary>
    public void Program(ReadOnlySpan<byte> register, bool decode)
    {
        ulong address = Is64Bit ? BinaryPrimitives.ReadUInt64LittleEndian(register) : BinaryPrimitives.ReadUInt32LittleEndian(register);
        address &= ~(Length - 1);
        bool enabled = decode && address != 0 && (!IsPort || address + Length <= 0x10000);
        if (address == _address && enabled == _enabled)
        {
            return;
        }

        claim.Enabled = false;
        claim.Move(address);
        claim.Enabled = enabled;
        (_address, _enabled) = (address, enabled);
    }
}
