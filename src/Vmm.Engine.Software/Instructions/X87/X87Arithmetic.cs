using System.Runtime.CompilerServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>The four basic operations in all their forms (SDM Vol. 1 8.3.5).</summary>
internal static unsafe class X87Arithmetic
{
    public static void Register(HandlerTable table)
    {
        RegisterForms<Add>(table, Code.Fadd_st0_sti, Code.Fadd_sti_st0, Code.Faddp_sti_st0,
            Code.Fadd_m32fp, Code.Fadd_m64fp, Code.Fiadd_m16int, Code.Fiadd_m32int);
        RegisterForms<Multiply>(table, Code.Fmul_st0_sti, Code.Fmul_sti_st0, Code.Fmulp_sti_st0,
            Code.Fmul_m32fp, Code.Fmul_m64fp, Code.Fimul_m16int, Code.Fimul_m32int);
        RegisterForms<Subtract>(table, Code.Fsub_st0_sti, Code.Fsub_sti_st0, Code.Fsubp_sti_st0,
            Code.Fsub_m32fp, Code.Fsub_m64fp, Code.Fisub_m16int, Code.Fisub_m32int);
        RegisterForms<Reversed<Subtract>>(table, Code.Fsubr_st0_sti, Code.Fsubr_sti_st0, Code.Fsubrp_sti_st0,
            Code.Fsubr_m32fp, Code.Fsubr_m64fp, Code.Fisubr_m16int, Code.Fisubr_m32int);
        RegisterForms<Divide>(table, Code.Fdiv_st0_sti, Code.Fdiv_sti_st0, Code.Fdivp_sti_st0,
            Code.Fdiv_m32fp, Code.Fdiv_m64fp, Code.Fidiv_m16int, Code.Fidiv_m32int);
        RegisterForms<Reversed<Divide>>(table, Code.Fdivr_st0_sti, Code.Fdivr_sti_st0, Code.Fdivrp_sti_st0,
            Code.Fdivr_m32fp, Code.Fdivr_m64fp, Code.Fidivr_m16int, Code.Fidivr_m32int);
    }

    private static void RegisterForms<T>(
        HandlerTable table, Code top, Code other, Code otherAndPop, Code single, Code doubleReal, Code word, Code dword)
        where T : struct, IArithmetic
    {
        table.Set(top, &OnRegisters<T>, null);
        table.Set(other, &OnRegisters<T>, null);
        table.Set(otherAndPop, &OnRegistersAndPop<T>, null);
        table.Set(single, null, &OnMemory<T, SingleReal, uint>);
        table.Set(doubleReal, null, &OnMemory<T, DoubleReal, ulong>);
        table.Set(word, null, &OnMemory<T, WordInteger, short>);
        table.Set(dword, null, &OnMemory<T, DwordInteger, int>);
    }

    /// <summary>An operation with a short way for normal numbers.</summary>
    private interface IArithmetic : IX87Binary
    {
        static abstract bool TryNormal(ExtendedReal a, ExtendedReal b, bool extended, out ExtendedReal result, out ushort status);
    }

    private readonly struct Add : IArithmetic
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            SoftFloat.Add(ref environment, format, a, b, out roundedUp);

        public static bool TryNormal(ExtendedReal a, ExtendedReal b, bool extended, out ExtendedReal result, out ushort status) =>
            NormalArithmetic.Add(a, b, 0, extended, out result, out status);
    }

    private readonly struct Subtract : IArithmetic
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            SoftFloat.Add(ref environment, format, a, b.WithSign(!b.Sign), out roundedUp);

        public static bool TryNormal(ExtendedReal a, ExtendedReal b, bool extended, out ExtendedReal result, out ushort status) =>
            NormalArithmetic.Add(a, b, 0x8000, extended, out result, out status);
    }

    private readonly struct Multiply : IArithmetic
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            SoftFloat.Multiply(ref environment, format, a, b, out roundedUp);

        public static bool TryNormal(ExtendedReal a, ExtendedReal b, bool extended, out ExtendedReal result, out ushort status) =>
            NormalArithmetic.Multiply(a, b, extended, out result, out status);
    }

    private readonly struct Divide : IArithmetic
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            SoftFloat.Divide(ref environment, format, a, b, out roundedUp);

        public static bool TryNormal(ExtendedReal a, ExtendedReal b, bool extended, out ExtendedReal result, out ushort status) =>
            NormalArithmetic.Divide(a, b, extended, out result, out status);
    }

    private readonly struct Reversed<T> : IArithmetic where T : struct, IArithmetic
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            T.Apply(ref environment, format, b, a, out roundedUp);

        public static bool TryNormal(ExtendedReal a, ExtendedReal b, bool extended, out ExtendedReal result, out ushort status) =>
            T.TryNormal(b, a, extended, out result, out status);
    }

    /// <summary>Both operands are registers, the first the destination.</summary>
    private static Outcome OnRegisters<T>(CpuState* s, Instruction* i) where T : struct, IArithmetic => OnRegisters<T>(s, i, pop: false);

    private static Outcome OnRegistersAndPop<T>(CpuState* s, Instruction* i) where T : struct, IArithmetic => OnRegisters<T>(s, i, pop: true);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Outcome OnRegisters<T>(CpuState* s, Instruction* i, bool pop) where T : struct, IArithmetic
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        int destination = i->Destination;
        if (X87Registers.IsEmpty(s, destination) || X87Registers.IsEmpty(s, i->Source)
            || !TryNormal<T>(s, i, destination, X87Registers.Read(s, i->Source)))
        {
            return X87Forms.Binary<T>(s, i, destination, i->Source, pop);
        }

        if (pop)
        {
            X87Registers.Pop(s);
        }

        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryNormal<T>(CpuState* s, Instruction* i, int destination, ExtendedReal b) where T : struct, IArithmetic
    {
        if (!NormalArithmetic.Serves(s, out bool extended)
            || !T.TryNormal(X87Registers.Read(s, destination), b, extended, out ExtendedReal result, out ushort status))
        {
            return false;
        }

        X87Exceptions.Begin(s, i);
        s->FpuStatus |= status;
        X87Registers.Write(s, destination, result);
        return true;
    }

    private static Outcome OnMemory<T, TFormat, TBits>(CpuState* s, Instruction* i)
        where T : struct, IArithmetic
        where TFormat : struct, IX87Source<TBits>
        where TBits : unmanaged
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        if (!Operands.LoadOperand(s, i, out TBits bits))
        {
            return SlowAccess.Failure(s);
        }

        bool empty = X87Registers.IsEmpty(s, 0);
        if (!empty && TFormat.TryExtend(bits, out ExtendedReal normal) && TryNormal<T>(s, i, 0, normal))
        {
            return Outcome.Next;
        }

        X87Exceptions.Begin(s, i);
        if (empty)
        {
            X87Forms.Underflow(s, i, 0, pop: false);
            return Outcome.Next;
        }

        X87Forms.Combine<T>(s, i, 0, TFormat.Unpack(bits), pop: false);
        return Outcome.Next;
    }
}
