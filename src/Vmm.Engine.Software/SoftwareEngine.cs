using Vmm.Engine.Software.Instructions.System;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software;

/// <summary>An x86-64 processor with VMX in portable C#: runs guests on any host.</summary>
public sealed class SoftwareEngine : IVmxEngine
{
    public string Name => "software";

    public VmxCapabilities Capabilities => EngineCapabilities.Instance;

    public IVmxMachine CreateMachine(IPhysicalMemory memory, ITimeSource clock) => new SoftwareMachine(memory, clock);
}
