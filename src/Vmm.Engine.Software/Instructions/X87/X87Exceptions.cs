using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>
/// x87 exceptions (SDM Vol. 1 8.4 to 8.7): masked ones only set flags; an unmasked one stays pending until the next
/// waiting instruction, which gets #MF.
/// </summary>
/// <remarks>
/// With CR0.NE clear a processor would assert FERR# for an interrupt controller to raise IRQ 13. That pin does not
/// exist here: waiting instructions go on as if IGNNE# were asserted.
/// </remarks>
internal static unsafe class X87Exceptions
{
    private const FloatExceptions BeforeComputation = FloatExceptions.Invalid | FloatExceptions.Denormal | FloatExceptions.DivideByZero;

    /// <summary>What the exponent of an unmasked overflowed or underflowed result is moved by, to fit a register (SDM Vol. 1 8.5.4).</summary>
    private const int ExponentAdjustment = 24576;

    /// <summary>Whether a waiting instruction gets #MF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsPending(CpuState* s) =>
        (s->FpuStatus & X87Control.ErrorSummary) != 0 && (s->Cr0 & (ulong)Cr0Bits.Ne) != 0;

    public static Outcome Deliver(CpuState* s) => Faults.Raise(s, ExceptionVector.X87FloatingPoint);

    /// <summary>The rules that the control word sets.</summary>
    public static FloatEnvironment Environment(CpuState* s) => new()
    {
        Rounding = (RoundingMode)((s->FpuControl >> 10) & 3),
        Masked = (FloatExceptions)(s->FpuControl & (int)FloatExceptions.All),
    };

    /// <summary>The format that precision control rounds to (SDM Vol. 1 8.1.5.2).</summary>
    public static FloatFormat Format(CpuState* s) => ((s->FpuControl >> 8) & 3) switch
    {
        0 => FloatFormat.ExtendedRangeSingle,
        2 => FloatFormat.ExtendedRangeDouble,
        _ => FloatFormat.Extended,
    };

    /// <summary>Notes the instruction as the last one and clears C1; to be called once nothing can fault any more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Begin(CpuState* s, Instruction* i)
    {
        s->FpuLastInstruction = i->Rip;
        s->FpuStatus &= unchecked((ushort)~X87Control.C1);
    }

    /// <summary>Flags a source register that is empty. True: masked, the result is the indefinite.</summary>
    public static bool StackUnderflow(CpuState* s, Instruction* i) => StackFault(s, i, 0);

    /// <summary>Flags a push onto a register in use. True: masked, the indefinite is pushed.</summary>
    public static bool StackOverflow(CpuState* s, Instruction* i) => StackFault(s, i, X87Control.C1);

    private static bool StackFault(CpuState* s, Instruction* i, ushort condition)
    {
        s->FpuStatus |= (ushort)(X87Control.StackFault | condition);
        return Flag(s, i, FloatExceptions.Invalid);
    }

    /// <summary>
    /// Flags what an operation raised. False: an unmasked exception came before the computation; nothing may be written
    /// or popped.
    /// </summary>
    public static bool Record(CpuState* s, Instruction* i, in FloatEnvironment environment, bool roundedUp = false)
    {
        FloatExceptions raised = environment.Raised;
        if (raised == 0)
        {
            return true;
        }

        FloatExceptions early = raised & BeforeComputation;
        if ((early & ~environment.Masked) != 0)
        {
            Flag(s, i, early);
            return false;
        }

        if (roundedUp)
        {
            s->FpuStatus |= X87Control.C1;
        }

        Flag(s, i, raised);
        return true;
    }

    /// <summary>Moves the exponent of a result that overflowed or underflowed unmasked, so that a register can hold it.</summary>
    public static Unpacked Adjust(ref FloatEnvironment environment, Unpacked result, ref bool roundedUp)
    {
        FloatExceptions unmasked = environment.Raised & ~environment.Masked;
        if ((unmasked & (FloatExceptions.Overflow | FloatExceptions.Underflow)) == 0)
        {
            return result;
        }

        bool overflow = (unmasked & FloatExceptions.Overflow) != 0;
        int exponent = result.Exponent + (overflow ? -ExponentAdjustment : ExponentAdjustment);
        if (exponent <= FloatFormat.Extended.MaximumExponent && exponent >= FloatFormat.Extended.MinimumExponent)
        {
            return result with { Exponent = exponent };
        }

        // FSCALE can go further than any adjustment.
        environment.Raised |= FloatExceptions.Precision;
        roundedUp = overflow;
        return overflow ? new(FloatClass.Infinity, result.Sign, 0, 1UL << 63) : new(FloatClass.Zero, result.Sign, 0, 0);
    }

    private static bool Flag(CpuState* s, Instruction* i, FloatExceptions raised)
    {
        s->FpuStatus |= (ushort)raised;
        if (((int)raised & ~s->FpuControl) == 0)
        {
            return true;
        }

        // Opcode and data pointer are those of the last unmasked exception: FDP_EXCPTN_ONLY (CPUID.7.0:EBX[6]) and no
        // fopcode compatibility (SDM Vol. 1 8.1.9.1).
        X87Control.UpdateSummary(s);
        s->FpuLastOpcode = (ushort)(i->Immediate & X87Control.OpcodeMask);
        if ((i->Flags & InstructionFlags.Memory) != 0)
        {
            s->FpuLastData = LinearMemory.Offset(s, i);
        }

        return false;
    }
}
