using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

internal sealed unsafe class Mmu(CpuState* state)
{
    public Outcome FailureOutcome { get; private set; } = Outcome.Fault;

    public bool Read(ulong linear, Span<byte> destination)
    {
        FailureOutcome = Events.Faults.Raise(state, ExceptionVector.PageFault, 0);
        return destination.Length == 0 && linear == 0;
    }

    /// <summary>Records how a handler that could not access memory ends.</summary>
    public void Fail(Outcome outcome) => FailureOutcome = outcome;

    public bool ReadForWrite(ulong linear, Span<byte> destination) => Read(linear, destination);

    public bool Write(ulong linear, ReadOnlySpan<byte> source)
    {
        FailureOutcome = Events.Faults.Raise(state, ExceptionVector.PageFault, 2);
        return source.Length == 0 && linear == 0;
    }
}
