namespace Vmm.Vmx;

/// <summary>
/// Something that runs guests by the rules of VMX. The kernel knows engines by this contract alone; an engine knows
/// nothing of devices or plugins.
/// </summary>
public interface IVmxEngine
{
    /// <summary>Name in configuration: <c>software</c>, <c>kvm</c>.</summary>
    string Name { get; }

    /// <summary>What the engine's processors support: the VMX capability MSRs and the CPUID leaves a guest may be shown.</summary>
    VmxCapabilities Capabilities { get; }

    /// <summary>
    /// Makes the hardware of one VM. Two machines share nothing mutable.
    /// </summary>
    /// <param name="memory">Physical memory; regions may change later, see <see cref="IPhysicalMemory.Changed"/>.</param>
    /// <param name="clock">Source of time for time-stamp counters and the preemption timer.</param>
    IVmxMachine CreateMachine(IPhysicalMemory memory, ITimeSource clock);
}

/// <summary>The processors of one VM on an engine.</summary>
public interface IVmxMachine : IDisposable
{
    /// <summary>Makes one logical processor, outside VMX operation. All its members but <see cref="ILogicalProcessor.Kick"/> belong to one thread at a time.</summary>
    /// <param name="index">Number of the virtual processor, from 0; also its initial APIC id.</param>
    ILogicalProcessor CreateProcessor(int index);

    /// <summary>
    /// Allocates a zeroed 4-KiB page for a structure that VMCS fields point to: I/O and MSR bitmaps, EPT tables, MSR lists.
    /// It has a host-physical address beyond every guest-physical one and lives as long as the machine.
    /// </summary>
    HostPage AllocatePage();

    /// <summary>The way to the local APICs where the engine models them, see <see cref="ILocalApicEngine"/>; else null.</summary>
    IEngineInterrupts? Interrupts => null;

    /// <summary>Engine counters by name (<c>blocks decoded</c>, <c>tlb misses</c>), for <c>--stat</c>.</summary>
    IReadOnlyDictionary<string, long> Counters { get; }
}

/// <summary>A page that VMCS fields can point to.</summary>
/// <param name="PhysicalAddress">Host-physical address, 4-KiB-aligned; what goes into the VMCS field.</param>
/// <param name="Memory">Its 4096 bytes. Changes count from the next VM entry, or the next exit for bitmaps.</param>
public readonly record struct HostPage(ulong PhysicalAddress, Memory<byte> Memory);

/// <summary>
/// A logical processor that offers the VMX instructions by name (SDM Vol. 3C ch. 31). VMCS pointers are opaque,
/// 4-KiB-aligned, non-zero numbers that the kernel chooses; the VMCS data itself belongs to the engine, as Intel keeps its layout to the processor.
/// </summary>
public interface ILogicalProcessor : IDisposable
{
    /// <summary>VMXON.</summary>
    /// <param name="region">Pointer to the VMXON region.</param>
    VmxResult VmxOn(ulong region);

    /// <summary>VMXOFF.</summary>
    VmxResult VmxOff();

    /// <summary>VMCLEAR: the VMCS becomes clear and, if it was current, no VMCS is.</summary>
    /// <param name="vmcs">VMCS pointer.</param>
    VmxResult VmClear(ulong vmcs);

    /// <summary>VMPTRLD: makes the VMCS current and active.</summary>
    /// <param name="vmcs">VMCS pointer.</param>
    VmxResult VmPtrLd(ulong vmcs);

    /// <summary>VMREAD from the current VMCS. During an exit, guest-state fields show the live processor.</summary>
    /// <param name="field">The field.</param>
    /// <param name="value">Its value.</param>
    VmxResult VmRead(VmcsField field, out ulong value);

    /// <summary>VMWRITE to the current VMCS.</summary>
    /// <param name="field">The field.</param>
    /// <param name="value">The value; bits above the field's width are dropped.</param>
    VmxResult VmWrite(VmcsField field, ulong value);

    /// <summary>
    /// VMLAUNCH: checks, enters the guest and delivers every exit to <paramref name="sink"/> in place, until the sink
    /// leaves. An entry that fails its guest-state checks is delivered as an exit with reason 33 and the entry-failure bit.
    /// </summary>
    /// <param name="sink">Receives exits on this thread.</param>
    /// <returns>
    /// Success once the sink has left; a failure when the guest was never entered; VMfailInvalid also after a VMX abort (SDM
    /// Vol. 3C 28.7), which reaches no sink and leaves a processor that enters no guest again.
    /// </returns>
    VmxResult VmLaunch(IVmExitSink sink);

    /// <summary>VMRESUME; as <see cref="VmLaunch"/> for a launched VMCS.</summary>
    /// <param name="sink">Receives exits on this thread.</param>
    VmxResult VmResume(IVmExitSink sink);

    /// <summary>The general registers, which no VMCS holds. Live during exits.</summary>
    ref GuestRegisters Registers { get; }

    /// <summary>XCR0, which no VMCS holds either: XSETBV always exits, and the kernel carries it out. Live during exits.</summary>
    ulong Xcr0 { get; set; }

    /// <summary>CR2, which the kernel sets before it injects a page fault. Live during exits.</summary>
    ulong Cr2 { get; set; }

    /// <summary>The local APIC where the engine models it, see <see cref="ILocalApicEngine"/>; else null.</summary>
    IEngineLocalApic? LocalApic => null;

    /// <summary>
    /// CR8, which no VMCS holds, where MOV from CR8 does not exit: the kernel sets it when the task priority changes otherwise.
    /// Live during exits.
    /// </summary>
    ulong Cr8 { get; set; }

    /// <summary>
    /// The guest's time-stamp counter, where the engine cannot set it: the TSC offset is without effect then. Null where it is
    /// the time source's value, scaled, plus the TSC offset. Not while the guest runs.
    /// </summary>
    ulong? TimestampCounter => null;

    /// <summary>
    /// Makes a running guest exit soon (reason 1, external interrupt, no vector acknowledged) and makes the next entry
    /// exit before its first instruction if none is running. Callable from any thread; several kicks may become one exit.
    /// </summary>
    void Kick();

    /// <summary>Copies out everything that makes up the guest's processor, VMCS guest state included. Only between entries.</summary>
    /// <param name="state">Filled in.</param>
    void SaveState(ProcessorState state);

    /// <summary>Sets everything that makes up the guest's processor. Only between entries, with a current VMCS.</summary>
    /// <param name="state">The state.</param>
    void LoadState(ProcessorState state);
}

/// <summary>Receives VM exits in place: called on the virtual processor's thread with processor state in sync.</summary>
public interface IVmExitSink
{
    /// <summary>Handles an exit.</summary>
    /// <param name="exit">The exit; I/O, MMIO and string transfers carry their data in it.</param>
    /// <returns>Whether the guest goes on, and how.</returns>
    VmExitAction OnExit(ref VmExit exit);
}

/// <summary>How an engine goes on after an exit was handled in place.</summary>
public enum VmExitAction
{
    /// <summary>
    /// Re-enter: run from the guest's current state. For a fault-like exit that is the same instruction again, unless the
    /// sink moved RIP. Pending VM-entry interruption information is injected first.
    /// </summary>
    Resume,

    /// <summary>
    /// The access that <see cref="VmExit.Data"/> describes (I/O instruction, EPT violation on device memory) is done, with
    /// a read's value in place: the engine finishes the instruction. For a task switch: the engine makes it.
    /// </summary>
    Complete,

    /// <summary>Advance RIP over the instruction (its length is in the exit), clear the interrupt shadow, then as <see cref="Resume"/>.</summary>
    NextInstruction,

    /// <summary>Leave the guest: VMLAUNCH or VMRESUME returns. Combined with <see cref="VmExit.CompleteFirst"/> the instruction is finished before.</summary>
    Leave,
}
