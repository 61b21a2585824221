using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>The course of instructions that compute register results: pending exceptions, stack faults, computation, flags, result, pop.</summary>
internal static unsafe class X87Forms
{
    /// <summary>ST(destination) = operation(ST(destination), ST(source)).</summary>
    public static Outcome Binary<T>(CpuState* s, Instruction* i, int destination, int source, bool pop) where T : struct, IX87Binary
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        if (X87Registers.IsEmpty(s, destination) || X87Registers.IsEmpty(s, source))
        {
            Underflow(s, i, destination, pop);
        }
        else
        {
            Combine<T>(s, i, destination, X87Registers.Read(s, source).Unpack(), pop);
        }

        return Outcome.Next;
    }

    /// <summary>The computation alone.</summary>
    public static void Combine<T>(CpuState* s, Instruction* i, int destination, Unpacked b, bool pop) where T : struct, IX87Binary
    {
        FloatEnvironment environment = X87Exceptions.Environment(s);
        Unpacked a = X87Registers.Read(s, destination).Unpack();
        Unpacked result = X87Operands.Compute<T>(ref environment, X87Exceptions.Format(s), a, b, out bool roundedUp);
        if (X87Exceptions.Record(s, i, environment, roundedUp))
        {
            Finish(s, destination, ExtendedReal.Pack(result), pop);
        }
    }

    /// <summary>ST(0) = operation(ST(0)).</summary>
    public static Outcome Unary<T>(CpuState* s, Instruction* i) where T : struct, IX87Unary
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        if (X87Registers.IsEmpty(s, 0))
        {
            Underflow(s, i, 0, pop: false);
            return Outcome.Next;
        }

        FloatEnvironment environment = X87Exceptions.Environment(s);
        Unpacked a = X87Registers.Read(s, 0).Unpack();
        Unpacked result = X87Operands.Compute<T>(ref environment, X87Exceptions.Format(s), a, out bool roundedUp);
        if (X87Exceptions.Record(s, i, environment, roundedUp))
        {
            X87Registers.Write(s, 0, result);
        }

        return Outcome.Next;
    }

    /// <summary>A source is empty: masked, the destination becomes the indefinite.</summary>
    public static void Underflow(CpuState* s, Instruction* i, int destination, bool pop)
    {
        if (X87Exceptions.StackUnderflow(s, i))
        {
            Finish(s, destination, ExtendedReal.Indefinite, pop);
        }
    }

    /// <summary>
    /// For instructions that replace ST(0) and push: ST(0) must be in use and the register below it free. False: it is
    /// not, and that is dealt with.
    /// </summary>
    public static bool CanReplaceAndPush(CpuState* s, Instruction* i)
    {
        bool empty = X87Registers.IsEmpty(s, 0);
        if (!empty && X87Registers.IsEmpty(s, 7))
        {
            return true;
        }

        if (empty ? X87Exceptions.StackUnderflow(s, i) : X87Exceptions.StackOverflow(s, i))
        {
            X87Registers.Write(s, 0, ExtendedReal.Indefinite);
            X87Registers.Push(s, ExtendedReal.Indefinite);
        }

        return false;
    }

    private static void Finish(CpuState* s, int destination, ExtendedReal result, bool pop)
    {
        X87Registers.Write(s, destination, result);
        if (pop)
        {
            X87Registers.Pop(s);
        }
    }
}
