using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>SIMD floating-point exceptions: what an operation raised goes into MXCSR and, unmasked, becomes #XM (SDM Vol. 1 11.5).</summary>
internal static unsafe class SimdExceptions
{
    private const FloatExceptions BeforeComputation = FloatExceptions.Invalid | FloatExceptions.Denormal | FloatExceptions.DivideByZero;
    private const ulong Cr4OsXmmExceptions = 1 << 10;

    /// <summary>MXCSR bits that must be (PM, PE) and must not be (RC) set for the host's own arithmetic to serve ordinary numbers.</summary>
    private const uint HostArithmeticMask = (3 << 13) | (1 << 12) | (1 << 5);

    private const uint HostArithmeticValue = (1 << 12) | (1 << 5);

    /// <summary>
    /// Whether ordinary numbers need no bit-by-bit arithmetic: the host rounds to nearest as the guest wants it, and
    /// the only exception they can raise, precision, is masked and already flagged.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool HostArithmeticServes(CpuState* s) => (s->Mxcsr & HostArithmeticMask) == HostArithmeticValue;

    /// <summary>
    /// Records what was raised. False: the result must not be written; return <see cref="Raise"/> from the handler.
    /// </summary>
    public static bool Record(CpuState* s, in FloatEnvironment environment)
    {
        FloatExceptions raised = environment.Raised;
        s->Mxcsr |= (uint)environment.RaisedBefore;
        if (raised == 0)
        {
            return true;
        }

        // An unmasked exception before the computation hides those that the computation would raise (SDM Vol. 1 11.5.3).
        FloatExceptions early = raised & BeforeComputation;
        if ((early & ~environment.Masked) != 0)
        {
            s->Mxcsr |= (uint)early;
            return false;
        }

        s->Mxcsr |= (uint)raised;
        return (raised & ~environment.Masked) == 0;
    }

    /// <summary>#XM, or #UD for an operating system that does not know of it.</summary>
    public static Outcome Raise(CpuState* s) =>
        Faults.Raise(s, (s->Cr4 & Cr4OsXmmExceptions) != 0 ? ExceptionVector.SimdFloatingPoint : ExceptionVector.InvalidOpcode);
}
