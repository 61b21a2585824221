namespace Vmm.Engine.Software.Events;

/// <summary>An interrupt or exception on its way to a handler.</summary>
internal readonly record struct Event(byte Vector, InterruptionType Type)
{
    public bool HasErrorCode { get; init; }

    public uint ErrorCode { get; init; }

    /// <summary>Linear address of a page fault, for CR2.</summary>
    public ulong Address { get; init; }

    /// <summary>Causes of a debug exception, at their places in DR6.</summary>
    public ulong DebugCauses { get; init; }

    /// <summary>Length of the instruction for software events: the return address lies behind it.</summary>
    public uint InstructionLength { get; init; }

    /// <summary>The event is injected by a VM entry: no intercepts, CR2 and DR6 stay.</summary>
    public bool IsInjected { get; init; }

    /// <summary>An IRET that removed NMI blocking caused the fault (SDM Vol. 3C 28.2.2).</summary>
    public bool UnblocksNmi { get; init; }

    /// <summary>INT n, INT3, INTO: subject to gate privilege checks, return behind the instruction.</summary>
    public bool IsSoftware => Type is InterruptionType.SoftwareInterrupt or InterruptionType.SoftwareException;

    /// <summary>The return address lies behind the instruction: software events and INT1.</summary>
    public bool ReturnsBehind => IsSoftware || Type == InterruptionType.PrivilegedSoftwareException;

    /// <summary>EXT bit of error codes while this is delivered (SDM Vol. 3A 6.13).</summary>
    public uint External => IsSoftware ? 0u : 1u;

    /// <summary>Fault-class exceptions are pushed with RF set (SDM Vol. 3B 18.3.1.1): all but debug traps and #DF.</summary>
    public bool SetsResumeFlag => Type == InterruptionType.HardwareException
        && (ExceptionVector)Vector is not (ExceptionVector.Debug or ExceptionVector.DoubleFault or ExceptionVector.MachineCheck);

    public static Event Fault(ExceptionVector vector, bool hasErrorCode, uint errorCode, ulong address) =>
        new((byte)vector, InterruptionType.HardwareException) { HasErrorCode = hasErrorCode, ErrorCode = errorCode, Address = address };

    public static Event DoubleFault => Fault(ExceptionVector.DoubleFault, true, 0, 0);

    public static Event Injected(InterruptionInformation information, uint errorCode, uint instructionLength) =>
        new(information.Vector, information.Type)
        {
            HasErrorCode = information.DeliversErrorCode,
            ErrorCode = information.DeliversErrorCode ? errorCode : 0,
            InstructionLength = information.IsSoftware ? instructionLength : 0,
            IsInjected = true,
        };
}
