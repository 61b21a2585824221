namespace Vmm.Kernel;

/// <summary>Delivery modes of interrupt messages (SDM Vol. 3A 11.11.2; the same encodings as ICR bits 10:8, 11.6.1).</summary>
internal enum DeliveryMode : byte
{
    Fixed = 0,
    LowestPriority = 1,
    Smi = 2,
    Nmi = 4,
    Init = 5,
    Startup = 6,
    ExternalInterrupt = 7,
}

/// <summary>An interrupt on its way to local APICs.</summary>
/// <param name="Destination">APIC id, or a set of logical ids; all ones is everybody.</param>
/// <param name="Logical">Whether the destination is logical.</param>
/// <param name="Mode">Delivery mode.</param>
/// <param name="Vector">Vector, for the modes that have one.</param>
/// <param name="Level">Whether the interrupt is level-triggered.</param>
internal readonly record struct InterruptMessage(uint Destination, bool Logical, DeliveryMode Mode, byte Vector, bool Level)
{
    private const ulong MessageWindow = 0xFEE;

    /// <summary>The address that a device writes to send it.</summary>
    public ulong Address => (MessageWindow << 20) | ((ulong)(Destination & 0xFF) << 12) | (Logical ? 4u : 0);

    /// <summary>The data that it writes. Only an asserted level is a message.</summary>
    public uint Data => Vector | ((uint)Mode << 8) | (Level ? 0xC000u : 0);

    /// <summary>Decodes a message-signalled interrupt (SDM Vol. 3A 11.11.1 and 11.11.2).</summary>
    /// <returns>False when the address is none of the local APICs' or the mode is reserved.</returns>
    public static bool TryDecode(ulong address, uint data, out InterruptMessage message)
    {
        var mode = (DeliveryMode)((data >> 8) & 7);
        bool redirect = (address & 8) != 0;
        bool logical = (address & 4) != 0;
        message = new InterruptMessage(
            (uint)(address >> 12) & 0xFF, logical, mode == DeliveryMode.Fixed && redirect ? DeliveryMode.LowestPriority : mode,
            (byte)data, (data & 0x8000) != 0);
        return address >> 20 == MessageWindow && Enum.IsDefined(mode) && mode != DeliveryMode.Startup;
    }
}
