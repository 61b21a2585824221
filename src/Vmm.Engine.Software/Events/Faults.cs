using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Events;

/// <summary>How handlers raise exceptions: note what happened in the state and return. The run loop delivers.</summary>
internal static unsafe class Faults
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Outcome Raise(CpuState* s, ExceptionVector vector)
    {
        s->FaultVector = vector;
        s->FaultHasErrorCode = 0;
        s->FaultErrorCode = 0;
        return Outcome.Fault;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Outcome Raise(CpuState* s, ExceptionVector vector, uint errorCode)
    {
        s->FaultVector = vector;
        s->FaultHasErrorCode = 1;
        s->FaultErrorCode = errorCode;
        return Outcome.Fault;
    }

    /// <summary>#GP(0), the most common.</summary>
    public static Outcome GeneralProtection(CpuState* s) => Raise(s, ExceptionVector.GeneralProtection, 0);

    /// <summary>#UD.</summary>
    public static Outcome InvalidOpcode(CpuState* s) => Raise(s, ExceptionVector.InvalidOpcode);
}
