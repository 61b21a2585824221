using Vmm.Engine.Software.Decode;

namespace Vmm.Engine.Software.Vmx;

internal sealed unsafe partial class NonRoot
{
    /// <summary>
    /// A read of guest-physical memory that no region backs. RIP in the state is the instruction's own. The access does not
    /// cross a page. <see cref="Outcome.Next"/>: the value is in place; anything else is what the handler returns.
    /// </summary>
    public Outcome DeviceRead(LogicalProcessor processor, ulong physical, ulong linear, int width, out ulong data)
    {
        // Outside VMX operation nobody answers: the bus floats.
        data = ulong.MaxValue;
        return Outcome.Next;
    }

    /// <summary>A write to guest-physical memory that no region backs, or to a read-only region.</summary>
    public Outcome DeviceWrite(LogicalProcessor processor, ulong physical, ulong linear, int width, ulong data) => Outcome.Next;

    /// <summary>An access that the EPT tables do not allow (SDM Vol. 3C 28.3.3.2), with its qualification (table 28-7). Always ends the instruction.</summary>
    public Outcome EptViolation(LogicalProcessor processor, ulong physical, ulong linear, ulong qualification) => Outcome.Leave;

    /// <summary>A malformed EPT entry (SDM Vol. 3C 28.3.3.1).</summary>
    public Outcome EptMisconfiguration(LogicalProcessor processor, ulong physical) => Outcome.Leave;
}
