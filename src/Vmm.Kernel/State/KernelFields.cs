namespace Vmm.Kernel;

// Numbers of fields are for ever: a number is never used again for another meaning. KernelSchemas shows the names.

/// <summary>The machine as a whole.</summary>
internal enum MachineField
{
    VirtualTime = 1,
    WallClock = 2,
    TimestampFrequency = 3,
    ProcessorCount = 4,
    AddressLine20 = 5,
    ExternalInterruptTarget = 6,
    NextLowestPriority = 7,
}

/// <summary>A region of guest memory; one section a region.</summary>
internal enum MemoryRegionField
{
    Name = 1,
    Kind = 2,
    Address = 3,
    Length = 4,
    Target = 5,
}

/// <summary>Shadow memory.</summary>
internal enum ShadowField
{
    Access = 1,
    Content = 2,
}

/// <summary>A processor, see <see cref="ProcessorState"/>.</summary>
internal enum ProcessorField
{
    Rax = 1,
    Rcx = 2,
    Rdx = 3,
    Rbx = 4,
    Rsp = 5,
    Rbp = 6,
    Rsi = 7,
    Rdi = 8,
    R8 = 9,
    R9 = 10,
    R10 = 11,
    R11 = 12,
    R12 = 13,
    R13 = 14,
    R14 = 15,
    R15 = 16,
    Rip = 17,
    Rflags = 18,
    Cr0 = 19,
    Cr2 = 20,
    Cr3 = 21,
    Cr4 = 22,
    Cr8 = 23,
    Xcr0 = 24,
    Dr0 = 25,
    Dr1 = 26,
    Dr2 = 27,
    Dr3 = 28,
    Dr6 = 29,
    Dr7 = 30,
    Es = 31,
    Cs = 32,
    Ss = 33,
    Ds = 34,
    Fs = 35,
    Gs = 36,
    Ldtr = 37,
    Tr = 38,
    Gdtr = 39,
    Idtr = 40,
    Msrs = 41,
    XsaveArea = 42,
    Interruptibility = 43,
    Activity = 44,
    PendingDebugExceptions = 45,
    PendingEvent = 46,
    PendingEventErrorCode = 47,
    PendingEventInstructionLength = 48,
    PageDirectoryPointers = 49,
    NmiPending = 50,
    InitPending = 51,
    StartupVector = 52,
    TimestampOffset = 53,
    LocalApic = 54,
    TimestampFrequency = 55,
}

/// <summary>A segment register or descriptor-table register.</summary>
internal enum SegmentField
{
    Selector = 1,
    Base = 2,
    Limit = 3,
    AccessRights = 4,
}

/// <summary>A model-specific register.</summary>
internal enum MsrField
{
    Index = 1,
    Value = 2,
}

/// <summary>A local APIC, see <see cref="LocalApicState"/>.</summary>
internal enum LocalApicField
{
    Base = 1,
    Registers = 2,
    PendingErrors = 3,
    TimerExpiry = 4,
    TimestampDeadline = 5,
}

/// <summary>What drives an interrupt line; a section a line, in it a section a source.</summary>
internal enum LineSourceField
{
    Name = 1,
    Flags = 2,
}

/// <summary>Where a claim is; a section a claim.</summary>
internal enum ClaimField
{
    Name = 1,
    First = 2,
    Flags = 3,
}

/// <summary>A PCI function.</summary>
internal enum PciFunctionField
{
    ConfigurationSpace = 1,
    PinAsserted = 2,
    MsiX = 3,
}

/// <summary>Messages of a PCI function.</summary>
internal enum MsiXField
{
    Table = 1,
    Pending = 2,
}
