namespace Vmm.Kernel;

/// <summary>
/// Registers of the local APIC: offset in the xAPIC page divided by 16, which is also the x2APIC MSR less 0x800
/// (SDM Vol. 3A tables 11-1 and 11-6).
/// </summary>
internal enum ApicRegister
{
    Id = 0x02,
    Version = 0x03,
    TaskPriority = 0x08,
    ArbitrationPriority = 0x09,
    ProcessorPriority = 0x0A,
    EndOfInterrupt = 0x0B,
    RemoteRead = 0x0C,
    LogicalDestination = 0x0D,
    DestinationFormat = 0x0E,
    SpuriousVector = 0x0F,
    InService = 0x10,
    TriggerMode = 0x18,
    InterruptRequest = 0x20,
    ErrorStatus = 0x28,
    InterruptCommandLow = 0x30,
    InterruptCommandHigh = 0x31,
    LvtTimer = 0x32,
    LvtThermal = 0x33,
    LvtPerformance = 0x34,
    LvtLint0 = 0x35,
    LvtLint1 = 0x36,
    LvtError = 0x37,
    InitialCount = 0x38,
    CurrentCount = 0x39,
    DivideConfiguration = 0x3E,
    SelfIpi = 0x3F,
}

/// <summary>Bits of the error-status register (SDM Vol. 3A 11.5.3).</summary>
[Flags]
internal enum ApicError : uint
{
    SendIllegalVector = 1 << 5,
    ReceiveIllegalVector = 1 << 6,
    IllegalRegisterAddress = 1 << 7,
}
