namespace Vmm.Sdk;

/// <summary>
/// Handles VM exits of declared reasons before the kernel does. Runs on the virtual processor's thread; may be called
/// for several processors at once. An exception skips the handler for that exit; after several it is disabled.
/// </summary>
public interface IExitHandler
{
    /// <summary>The basic exit reasons to be called for. Read once, before the guest runs.</summary>
    IReadOnlyCollection<ExitReason> Reasons { get; }

    /// <summary>Handles an exit.</summary>
    /// <param name="frame">The exit; valid during the call only.</param>
    /// <returns>What the kernel does next.</returns>
    ExitDisposition OnExit(ref ExitFrame frame);
}

/// <summary>What the kernel does after an exit handler.</summary>
public enum ExitDisposition
{
    /// <summary>Not handled: the next handler, at last the kernel's own.</summary>
    Pass,

    /// <summary>Handled: the guest goes on at its current instruction pointer.</summary>
    Resume,

    /// <summary>Handled: the guest goes on after the instruction that caused the exit.</summary>
    NextInstruction,

    /// <summary>Handled: as <see cref="NextInstruction"/>, and the processor gives up the rest of its quantum.</summary>
    Yield,

    /// <summary>The VM stops with a fault that names the handler.</summary>
    Stop,
}

/// <summary>One VM exit, as an exit handler sees it. A view on live processor state: it cannot be kept.</summary>
public readonly ref struct ExitFrame
{
    private readonly ref GuestRegisters _registers;

    /// <summary>Made by the host (and by tests).</summary>
    /// <param name="vcpu">The processor.</param>
    /// <param name="registers">Its general registers.</param>
    /// <param name="reason">Basic exit reason.</param>
    /// <param name="qualification">Exit qualification (SDM Vol. 3C 28.2.1).</param>
    /// <param name="guestPhysicalAddress">Guest-physical address for EPT violations and misconfigurations, else 0.</param>
    /// <param name="instructionLength">Length of the causing instruction in bytes where the reason defines it, else 0.</param>
    public ExitFrame(IVirtualProcessor vcpu, ref GuestRegisters registers, ExitReason reason, ulong qualification, ulong guestPhysicalAddress, uint instructionLength)
    {
        Vcpu = vcpu;
        _registers = ref registers;
        Reason = reason;
        Qualification = qualification;
        GuestPhysicalAddress = guestPhysicalAddress;
        InstructionLength = instructionLength;
    }

    /// <summary>The processor that exited.</summary>
    public IVirtualProcessor Vcpu { get; }

    /// <summary>Its general registers, to read and to change.</summary>
    public ref GuestRegisters Registers => ref _registers;

    /// <summary>Basic exit reason.</summary>
    public ExitReason Reason { get; }

    /// <summary>Exit qualification; its meaning depends on the reason (SDM Vol. 3C 28.2.1).</summary>
    public ulong Qualification { get; }

    /// <summary>Guest-physical address for EPT violations and misconfigurations, else 0.</summary>
    public ulong GuestPhysicalAddress { get; }

    /// <summary>Length in bytes of the instruction that caused the exit, where the reason defines it, else 0.</summary>
    public uint InstructionLength { get; }
}

/// <summary>A virtual processor as exit handlers see it. Members are for the processor's own thread, during a call of a handler.</summary>
public interface IVirtualProcessor
{
    /// <summary>Which processor of which VM.</summary>
    VcpuId Id { get; }

    /// <summary>The guest's instruction pointer.</summary>
    ulong InstructionPointer { get; set; }

    /// <summary>Current privilege level, 0 to 3.</summary>
    int PrivilegeLevel { get; }

    /// <summary>Virtual time-stamp counter as the guest would read it now.</summary>
    ulong TimestampCounter { get; }

    /// <summary>Frequency of <see cref="TimestampCounter"/> in Hz.</summary>
    ulong TimestampFrequency { get; }

    /// <summary>Guest-physical memory.</summary>
    IGuestMemory Memory { get; }

    /// <summary>Queues an exception for delivery at the next VM entry. The causing instruction is not skipped.</summary>
    /// <param name="vector">Exception vector, 0 to 31.</param>
    /// <param name="errorCode">Error code for exceptions that have one, else null.</param>
    void InjectException(byte vector, uint? errorCode);
}

/// <summary>General registers, in the order of their encoding (SDM Vol. 2A table 2-2 with REX).</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Sequential)]
public struct GuestRegisters
{
    /// <summary>RAX.</summary>
    public ulong Rax;

    /// <summary>RCX.</summary>
    public ulong Rcx;

    /// <summary>RDX.</summary>
    public ulong Rdx;

    /// <summary>RBX.</summary>
    public ulong Rbx;

    /// <summary>RSP.</summary>
    public ulong Rsp;

    /// <summary>RBP.</summary>
    public ulong Rbp;

    /// <summary>RSI.</summary>
    public ulong Rsi;

    /// <summary>RDI.</summary>
    public ulong Rdi;

    /// <summary>R8.</summary>
    public ulong R8;

    /// <summary>R9.</summary>
    public ulong R9;

    /// <summary>R10.</summary>
    public ulong R10;

    /// <summary>R11.</summary>
    public ulong R11;

    /// <summary>R12.</summary>
    public ulong R12;

    /// <summary>R13.</summary>
    public ulong R13;

    /// <summary>R14.</summary>
    public ulong R14;

    /// <summary>R15.</summary>
    public ulong R15;
}
