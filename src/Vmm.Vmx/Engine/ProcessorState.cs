namespace Vmm.Vmx;

/// <summary>
/// Everything that makes up a guest's processor, in a form no engine owns: a VM saved on one engine continues on
/// another. Version 1.
/// </summary>
/// <remarks>
/// <see cref="ILogicalProcessor.SaveState"/> fills in the members up to <see cref="PendingEventInstructionLength"/>, and
/// <see cref="ILogicalProcessor.LoadState"/> takes them; the kernel does the same with the ones after it, and it corrects
/// CR0 and CR4 to what the guest sees, CR8 and the activity state. A processor is saved between two instructions: an
/// instruction that an exit interrupted is finished or not begun. There is no SMBASE, because no machine here has
/// system-management mode.
/// </remarks>
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

    /// <summary>CR0 as the guest reads it, without bits that VMX operation fixes.</summary>
    public ulong Cr0 { get; set; }

    /// <summary>CR2.</summary>
    public ulong Cr2 { get; set; }

    /// <summary>CR3.</summary>
    public ulong Cr3 { get; set; }

    /// <summary>CR4 as the guest reads it, without bits that VMX operation fixes.</summary>
    public ulong Cr4 { get; set; }

    /// <summary>CR8: bits 7:4 of the task-priority register. Counts only where <see cref="LocalApic"/> is null.</summary>
    public ulong Cr8 { get; set; }

    /// <summary>XCR0.</summary>
    public ulong Xcr0 { get; set; } = 1;

    /// <summary>DR0 to DR3, DR6, DR7 at their own indexes (4 and 5 unused).</summary>
    public ulong[] DebugRegisters { get; } = new ulong[8];

    /// <summary>
    /// Model-specific registers by number: those of the engine (EFER, PAT, the system-call and SYSENTER registers,
    /// KERNEL_GS_BASE, TSC_AUX, DEBUGCTL, XSS, …) and those of the kernel (MTRRs, IA32_TSC_ADJUST). FS and GS bases are in
    /// <see cref="Segments"/>, the local APIC's registers in <see cref="LocalApic"/>, the time-stamp counter in
    /// <see cref="TimestampOffset"/>. Both sides ignore registers that are the other's; an absent one is as after reset.
    /// </summary>
    public Dictionary<uint, ulong> Msrs { get; } = [];

    /// <summary>
    /// Extended state in the standard (not compacted) form of the XSAVE area (SDM Vol. 1 13.4): offsets as in CPUID leaf
    /// 0DH, at least the 832 bytes of x87, SSE and AVX, longer where the engine's processor has more. XSTATE_BV, at 512,
    /// says which components are there; an absent one is in its initial configuration (13.6), whatever its bytes.
    /// </summary>
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

    /// <summary>Length of the instruction that a software event came from, 0 for other events (SDM Vol. 3C 25.8.3).</summary>
    public uint PendingEventInstructionLength { get; set; }

    /// <summary>
    /// The four PDPTEs that PAE paging uses, which are those of the last load of CR3 and not what stands in memory now
    /// (SDM Vol. 3A 4.4.1). Null without PAE paging, and in a new processor, which takes them from memory. The kernel
    /// reads and writes them as VMCS fields (SDM Vol. 3C 25.4.2).
    /// </summary>
    public ulong[]? PageDirectoryPointers { get; set; }

    /// <summary>
    /// A non-maskable interrupt arrived and was not injected yet. Saved by an engine that holds one behind other events;
    /// who loads the state injects it.
    /// </summary>
    public bool NmiPending { get; set; }

    /// <summary>INIT arrived and was not acted on yet.</summary>
    public bool InitPending { get; set; }

    /// <summary>Vector of a start-up IPI that arrived and was not acted on yet, or null.</summary>
    public byte? StartupVector { get; set; }

    /// <summary>
    /// What the guest's time-stamp counter is ahead of the machine's <see cref="ITimeSource"/>, scaled to
    /// <see cref="TimestampFrequency"/>, modulo 2^64.
    /// </summary>
    public ulong TimestampOffset { get; set; }

    /// <summary>Frequency in Hz of the guest's time-stamp counter; 0 for that of the machine's <see cref="ITimeSource"/>.</summary>
    public ulong TimestampFrequency { get; set; }

    /// <summary>The local APIC; null in a new processor, whose local APIC is as after power-up.</summary>
    public LocalApicState? LocalApic { get; set; }
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
