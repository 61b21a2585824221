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
        where T : struct, IX87Binary
    {
        table.Set(top, &OnRegisters<T>, null);
        table.Set(other, &OnRegisters<T>, null);
        table.Set(otherAndPop, &OnRegistersAndPop<T>, null);
        table.Set(single, null, &OnMemory<T, SingleReal, uint>);
        table.Set(doubleReal, null, &OnMemory<T, DoubleReal, ulong>);
        table.Set(word, null, &OnMemory<T, WordInteger, short>);
        table.Set(dword, null, &OnMemory<T, DwordInteger, int>);
    }

    private readonly struct Add : IX87Binary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            SoftFloat.Add(ref environment, format, a, b, out roundedUp);
    }

    private readonly struct Subtract : IX87Binary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            SoftFloat.Add(ref environment, format, a, b.WithSign(!b.Sign), out roundedUp);
    }

    private readonly struct Multiply : IX87Binary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            SoftFloat.Multiply(ref environment, format, a, b, out roundedUp);
    }

    private readonly struct Divide : IX87Binary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            SoftFloat.Divide(ref environment, format, a, b, out roundedUp);
    }

    private readonly struct Reversed<T> : IX87Binary where T : struct, IX87Binary
    {
        public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp) =>
            T.Apply(ref environment, format, b, a, out roundedUp);
    }

    /// <summary>Both operands are registers, the first the destination.</summary>
    private static Outcome OnRegisters<T>(CpuState* s, Instruction* i) where T : struct, IX87Binary =>
        X87Forms.Binary<T>(s, i, i->Destination, i->Source, pop: false);

    private static Outcome OnRegistersAndPop<T>(CpuState* s, Instruction* i) where T : struct, IX87Binary =>
        X87Forms.Binary<T>(s, i, i->Destination, i->Source, pop: true);

    private static Outcome OnMemory<T, TFormat, TBits>(CpuState* s, Instruction* i)
        where T : struct, IX87Binary
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

        X87Exceptions.Begin(s, i);
        if (X87Registers.IsEmpty(s, 0))
        {
            X87Forms.Underflow(s, i, 0, pop: false);
            return Outcome.Next;
        }

        X87Forms.Combine<T>(s, i, 0, TFormat.Unpack(bits), pop: false);
        return Outcome.Next;
    }
}
