using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions;

/// <summary>
/// Repeated string instructions between two iterations, where events are taken with RIP at the instruction. RF is set then
/// (SDM Vol. 3B 18.3.1.1), so that a breakpoint on the instruction is met once.
/// </summary>
internal static unsafe class Repetition
{
    private const ulong Rf = (ulong)RflagsBits.Rf;

    /// <summary>Ends the block before the next iteration.</summary>
    public static Outcome Suspend(CpuState* s, Instruction* i)
    {
        s->Rip = i->Rip;
        s->SystemFlags |= Rf;
        s->ResumeFlagEnds = 0;
        return Outcome.Branch;
    }

    /// <summary>The last iteration is done.</summary>
    public static Outcome Complete(CpuState* s)
    {
        s->SystemFlags &= ~Rf;
        return Outcome.Next;
    }
}
