using Vmm.Engine.Software.Instructions;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software;

/// <summary>An x86-64 processor with VMX in portable C#: runs guests on any host, and translates their code to the host's where that is x86-64 too.</summary>
/// <param name="tier">How guest code runs; hosts that cannot run translations interpret.</param>
/// <param name="counting">What is counted beyond what costs nothing.</param>
public sealed class SoftwareEngine(ExecutionTier tier = ExecutionTier.Translator, ExecutionCounting counting = ExecutionCounting.None) : IVmxEngine
{
    // Made on another thread while the caller prepares a machine: it takes a while and is the same for all.
    private readonly Task _handlers = Task.Run(() => InstructionSet.Handlers);

    public string Name => "software";

    public VmxCapabilities Capabilities => EngineCapabilities.Instance;

    public IVmxMachine CreateMachine(IPhysicalMemory memory, ITimeSource clock) => new SoftwareMachine(memory, clock, tier, counting);
}
