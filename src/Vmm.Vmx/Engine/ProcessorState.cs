namespace Vmm.Vmx;

/// <summary>
/// Everything that makes up a guest's processor, in a form no engine owns: a VM saved on one engine continues on
/// another. Version 1.
/// </summary>
public sealed class ProcessorState
{
    /// <summary>Version of this form.</summary>
    public const int CurrentVersion = 1;

    /// <summary>General registers.</summary>
    public GuestRegisters Registers;

    /// <summary>Instruction pointer.</summary>
    public ulong Rip { get; set; }

    /// <summary>RFLAGS.</summary>
    public ulong Rflags { get; set; } = 2;

    /// <summary>ES, CS, SS, DS, FS, GS, LDTR, TR: indexed by <see cref="SegmentRegister"/>.</summary>
    public SegmentState[] Segments { get; } = new SegmentState[8];

    /// <summary>GDTR base and limit.</summary>
    public DescriptorTableState Gdtr { get; set; }

    /// <summary>IDTR base and limit.</summary>
    public DescriptorTableState Idtr { get; set; }

    /// <summary>Control registers.</summary>
    public ulong Cr0 { get; set; }

    public ulong Cr2 { get; set; }

    public ulong Cr3 { get; set; }

    public ulong Cr4 { get; set; }

    public ulong Cr8 { get; set; }

    /// <summary>XCR0.</summary>
    public ulong Xcr0 { get; set; } = 1;

    /// <summary>DR0 to DR3, DR6, DR7 at their own indexes (4 and 5 unused).</summary>
    public ulong[] DebugRegisters { get; } = new ulong[8];

    /// <summary>Model-specific registers by number, EFER and PAT among them.</summary>
    public Dictionary<uint, ulong> Msrs { get; } = [];

    /// <summary>x87, SSE and AVX state in the standard (not compacted) XSAVE form (SDM Vol. 1 13.4).</summary>
    public byte[] XsaveArea { get; set; } = new byte[832];

    /// <summary>Interruptibility state (SDM Vol. 3C 25.4.2).</summary>
    public uint Interruptibility { get; set; }

    /// <summary>Activity state (SDM Vol. 3C 25.4.2).</summary>
    public uint Activity { get; set; }

    /// <summary>Pending debug exceptions (SDM Vol. 3C 25.4.2).</summary>
    public ulong PendingDebugExceptions { get; set; }

    /// <summary>An event that waits for injection at the next entry, as VM-entry interruption information; 0 for none.</summary>
    public uint PendingEvent { get; set; }

    /// <summary>Its error code.</summary>
    public uint PendingEventErrorCode { get; set; }
}

/// <summary>Segment registers, in the order of their VMCS fields.</summary>
public enum SegmentRegister
{
    Es = 0,
    Cs = 1,
    Ss = 2,
    Ds = 3,
    Fs = 4,
    Gs = 5,
    Ldtr = 6,
    Tr = 7,
}

/// <summary>A segment register with its hidden part; access rights in VMCS form (SDM Vol. 3C 25.4.1, table 25-2).</summary>
/// <param name="Selector">Visible selector.</param>
/// <param name="Base">Base address.</param>
/// <param name="Limit">Limit in bytes, granularity applied.</param>
/// <param name="AccessRights">Bits 7:0 and 15:12 as in the descriptor, bit 16 unusable.</param>
public readonly record struct SegmentState(ushort Selector, ulong Base, uint Limit, uint AccessRights);

/// <summary>GDTR or IDTR.</summary>
/// <param name="Base">Linear base address.</param>
/// <param name="Limit">Limit in bytes.</param>
public readonly record struct DescriptorTableState(ulong Base, ushort Limit);
