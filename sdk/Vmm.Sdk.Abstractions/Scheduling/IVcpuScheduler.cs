namespace Vmm.Sdk;

/// <summary>
/// Decides which virtual processor of a CPU pool runs next and for how long. Calls are serialised a pool and must not
/// block, allocate much or do I/O: a call that throws or takes too long gets the scheduler replaced by the kernel's
/// own round robin.
/// </summary>
public interface IVcpuScheduler
{
    /// <summary>A virtual processor joins the pool. It is not runnable until <see cref="Wake"/>.</summary>
    /// <param name="vcpu">The processor.</param>
    /// <param name="weight">Its share relative to others, 1 to 10,000; 100 is ordinary.</param>
    void Add(VcpuId vcpu, int weight);

    /// <summary>A virtual processor leaves the pool; it is never named again.</summary>
    /// <param name="vcpu">The processor.</param>
    void Remove(VcpuId vcpu);

    /// <summary>A virtual processor became runnable.</summary>
    /// <param name="vcpu">The processor.</param>
    void Wake(VcpuId vcpu);

    /// <summary>A virtual processor has nothing to do until the next <see cref="Wake"/>. It was running.</summary>
    /// <param name="vcpu">The processor.</param>
    void Block(VcpuId vcpu);

    /// <summary>
    /// A host thread is free: which runnable processor that no other thread runs shall it run?
    /// </summary>
    /// <param name="thread">The host thread, 0 to the pool's number of threads less 1.</param>
    /// <param name="decision">The choice.</param>
    /// <returns>False when no processor is runnable.</returns>
    bool PickNext(int thread, out SchedulingDecision decision);

    /// <summary>A processor left its host thread. It is still runnable unless <see cref="Block"/> follows.</summary>
    /// <param name="vcpu">The processor.</param>
    /// <param name="ranNanoseconds">Host time for which it ran, in nanoseconds.</param>
    void Account(VcpuId vcpu, long ranNanoseconds);
}

/// <summary>Names a virtual processor: the VM, and the processor in it.</summary>
/// <param name="Vm">Number of the VM in this process, from 1.</param>
/// <param name="Index">Number of the processor in the VM, from 0.</param>
public readonly record struct VcpuId(int Vm, int Index);

/// <summary>A scheduler's choice.</summary>
/// <param name="Vcpu">Who runs.</param>
/// <param name="QuantumNanoseconds">For how long at most, in nanoseconds of host time; the kernel bounds it to 100 µs … 1 s.</param>
public readonly record struct SchedulingDecision(VcpuId Vcpu, long QuantumNanoseconds);
