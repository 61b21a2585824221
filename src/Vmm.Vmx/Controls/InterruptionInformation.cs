namespace Vmm.Vmx;

/// <summary>
/// An event as the VMCS describes it: VM-entry interruption information (SDM Vol. 3C 25.8.3, table 25-18), VM-exit
/// interruption information (25.9.2, table 25-20) and IDT-vectoring information (25.9.3, table 25-21).
/// </summary>
/// <param name="Value">The field as it stands in the VMCS.</param>
public readonly record struct InterruptionInformation(uint Value)
{
    private const uint DeliverErrorCodeBit = 1u << 11;
    private const uint NmiUnblockingBit = 1u << 12;
    private const uint ValidBit = 1u << 31;

    /// <summary>Bits 30:12, which must be zero for injection (SDM Vol. 3C 27.2.1.3).</summary>
    public const uint ReservedForEntry = 0x7FFF_F000;

    /// <summary>No event.</summary>
    public static InterruptionInformation None => default;

    /// <summary>Makes a valid event.</summary>
    /// <param name="type">Kind of event.</param>
    /// <param name="vector">Vector; for <see cref="InterruptionType.OtherEvent"/> 0 is a pending MTF exit.</param>
    /// <param name="deliverErrorCode">Whether an error code goes with it.</param>
    public static InterruptionInformation Create(InterruptionType type, byte vector, bool deliverErrorCode = false)
        => new(vector | ((uint)type << 8) | (deliverErrorCode ? DeliverErrorCodeBit : 0) | ValidBit);

    /// <summary>A hardware interrupt from the local APIC or PIC.</summary>
    public static InterruptionInformation ExternalInterrupt(byte vector) => Create(InterruptionType.ExternalInterrupt, vector);

    /// <summary>A non-maskable interrupt.</summary>
    public static InterruptionInformation Nmi => Create(InterruptionType.Nmi, (byte)ExceptionVector.Nmi);

    /// <summary>A fault, trap or abort of the processor; takes an error code exactly where the vector has one.</summary>
    public static InterruptionInformation HardwareException(ExceptionVector vector)
        => Create(InterruptionType.HardwareException, (byte)vector, vector.HasErrorCode);

    /// <summary>Vector, bits 7:0.</summary>
    public byte Vector => (byte)Value;

    /// <summary>Kind of event, bits 10:8.</summary>
    public InterruptionType Type => (InterruptionType)((Value >> 8) & 7);

    /// <summary>Bit 11: an error code is delivered (entry) or valid (exit).</summary>
    public bool DeliversErrorCode => (Value & DeliverErrorCodeBit) != 0;

    /// <summary>Bit 12, VM-exit interruption information only: the fault hit an IRET that had unblocked NMIs.</summary>
    public bool NmiUnblockingDueToIret => (Value & NmiUnblockingBit) != 0;

    /// <summary>Bit 31.</summary>
    public bool IsValid => (Value & ValidBit) != 0;

    /// <summary>INT n, INT1, INT3 and INTO: the events that carry an instruction length.</summary>
    public bool IsSoftware => Type is InterruptionType.SoftwareInterrupt or InterruptionType.PrivilegedSoftwareException or InterruptionType.SoftwareException;

    /// <summary>The same event with <see cref="NmiUnblockingDueToIret"/> set.</summary>
    public InterruptionInformation WithNmiUnblocking() => new(Value | NmiUnblockingBit);

    public override string ToString() => (IsValid, Type) switch
    {
        (false, _) => "none",
        (_, InterruptionType.ExternalInterrupt) => $"interrupt 0x{Vector:X2}",
        (_, InterruptionType.Nmi) => "NMI",
        (_, InterruptionType.HardwareException) => ((ExceptionVector)Vector).Mnemonic,
        (_, InterruptionType.SoftwareInterrupt) => $"INT 0x{Vector:X2}",
        (_, InterruptionType.PrivilegedSoftwareException) => "INT1",
        (_, InterruptionType.SoftwareException) => Vector == (byte)ExceptionVector.Overflow ? "INTO" : "INT3",
        (_, InterruptionType.OtherEvent) => Vector == 0 ? "pending MTF" : $"other event {Vector}",
        _ => $"reserved type, vector 0x{Vector:X2}",
    };
}

/// <summary>Interruption types (SDM Vol. 3C table 25-18).</summary>
public enum InterruptionType : byte
{
    ExternalInterrupt = 0,
    Reserved = 1,
    Nmi = 2,
    HardwareException = 3,
    SoftwareInterrupt = 4,

    /// <summary>INT1.</summary>
    PrivilegedSoftwareException = 5,

    /// <summary>INT3 or INTO.</summary>
    SoftwareException = 6,

    /// <summary>A pending MTF VM exit on entry.</summary>
    OtherEvent = 7,
}
