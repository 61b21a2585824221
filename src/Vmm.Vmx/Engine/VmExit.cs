namespace Vmm.Vmx;

/// <summary>
/// One VM exit. Mirrors the VM-exit information fields (SDM Vol. 3C 25.9); those are readable with VMREAD too.
/// Reused by the engine: valid during the call only.
/// </summary>
public struct VmExit
{
    /// <summary>Basic exit reason (bits 15:0 of the exit-reason field).</summary>
    public ExitReason Reason;

    /// <summary>Bit 31 of the exit-reason field: the VM entry failed.</summary>
    public bool EntryFailure;

    /// <summary>For <see cref="VmExitAction.Leave"/> from an exit with <see cref="Data"/>: finish the instruction with <see cref="Data"/> before leaving.</summary>
    public bool CompleteFirst;

    /// <summary>What <see cref="Data"/> holds.</summary>
    public VmExitAccess Access;

    /// <summary>Width in bytes of the access: 1, 2, 4 or 8.</summary>
    public byte Width;

    /// <summary>Length in bytes of the instruction that caused the exit, where the reason defines it.</summary>
    public byte InstructionLength;

    /// <summary>The I/O port for I/O instructions.</summary>
    public ushort Port;

    /// <summary>Exit qualification (SDM Vol. 3C 28.2.1).</summary>
    public ulong Qualification;

    /// <summary>Guest-linear address, where the reason defines it.</summary>
    public ulong GuestLinearAddress;

    /// <summary>Guest-physical address for EPT violations and misconfigurations.</summary>
    public ulong GuestPhysicalAddress;

    /// <summary>The value written by the guest, or the place for the value that it reads.</summary>
    public ulong Data;

    /// <summary>VM-exit interruption information (SDM Vol. 3C 25.9.2).</summary>
    public uint InterruptionInformation;

    /// <summary>VM-exit interruption error code.</summary>
    public uint InterruptionErrorCode;
}

/// <summary>The access that an exit asks the sink to carry out.</summary>
public enum VmExitAccess : byte
{
    /// <summary>None: the exit carries no data.</summary>
    None,

    /// <summary>The guest reads; the sink puts the value in <see cref="VmExit.Data"/>.</summary>
    Read,

    /// <summary>The guest writes <see cref="VmExit.Data"/>.</summary>
    Write,
}
