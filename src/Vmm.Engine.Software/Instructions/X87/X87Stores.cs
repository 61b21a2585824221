using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>Stores of ST(0) in all formats (SDM Vol. 1 8.3.3).</summary>
internal static unsafe class X87Stores
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Fst_m32fp, null, &Store<ToSingle, uint>);
        table.Set(Code.Fst_m64fp, null, &Store<ToDouble, ulong>);
        table.Set(Code.Fist_m16int, null, &Store<ToWord, short>);
        table.Set(Code.Fist_m32int, null, &Store<ToDword, int>);
        table.Set(Code.Fstp_m32fp, null, &StoreAndPop<ToSingle, uint>);
        table.Set(Code.Fstp_m64fp, null, &StoreAndPop<ToDouble, ulong>);
        table.Set(Code.Fistp_m16int, null, &StoreAndPop<ToWord, short>);
        table.Set(Code.Fistp_m32int, null, &StoreAndPop<ToDword, int>);
        table.Set(Code.Fistp_m64int, null, &StoreAndPop<ToQword, long>);
        table.Set(Code.Fisttp_m16int, null, &StoreAndPop<Truncated<ToWord, short>, short>);
        table.Set(Code.Fisttp_m32int, null, &StoreAndPop<Truncated<ToDword, int>, int>);
        table.Set(Code.Fisttp_m64int, null, &StoreAndPop<Truncated<ToQword, long>, long>);
        table.Set(Code.Fbstp_m80bcd, null, &StoreAndPop<ToPackedDecimal, PackedDecimal>);
        table.Set(Code.Fstp_m80fp, null, &StoreExtended);
        table.Set(Code.Fst_sti, &StoreRegister, null);
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Fstp_sti, Code.Fstp_sti_DFD0, Code.Fstp_sti_DFD8])
        {
            table.Set(code, &StoreRegisterAndPop, null);
        }

        table.Set(Code.Fstpnce_sti, &StoreRegisterUncheckedAndPop, null);
    }

    /// <summary>A format to convert to; the conversion deals with every operand.</summary>
    private interface ITarget<T> where T : unmanaged
    {
        static abstract T Convert(ref FloatEnvironment environment, Unpacked value, out bool roundedUp);

        /// <summary>The short way, rounding to nearest; false when it does not serve.</summary>
        static abstract bool TryNormal(ExtendedReal value, out T bits, out ushort status);
    }

    private static Unpacked Narrow(ref FloatEnvironment environment, FloatFormat format, Unpacked value, out bool roundedUp)
    {
        roundedUp = false;
        return X87Operands.Ordinary(ref environment, value, out Unpacked result)
            ? SoftFloat.Convert(ref environment, format, value, out roundedUp)
            : result;
    }

    private readonly struct ToSingle : ITarget<uint>
    {
        public static uint Convert(ref FloatEnvironment environment, Unpacked value, out bool roundedUp) =>
            Narrow(ref environment, FloatFormat.Single, value, out roundedUp).ToSingle();

        public static bool TryNormal(ExtendedReal value, out uint bits, out ushort status) =>
            NormalArithmetic.ToSingle(value, out bits, out status);
    }

    private readonly struct ToDouble : ITarget<ulong>
    {
        public static ulong Convert(ref FloatEnvironment environment, Unpacked value, out bool roundedUp) =>
            Narrow(ref environment, FloatFormat.Double, value, out roundedUp).ToDouble();

        public static bool TryNormal(ExtendedReal value, out ulong bits, out ushort status) =>
            NormalArithmetic.ToDouble(value, out bits, out status);
    }

    private readonly struct ToWord : ITarget<short>
    {
        public static short Convert(ref FloatEnvironment environment, Unpacked value, out bool roundedUp) =>
            (short)SoftFloat.ToInteger(ref environment, value, 16, out roundedUp);

        public static bool TryNormal(ExtendedReal value, out short bits, out ushort status)
        {
            bool fits = NormalArithmetic.ToInteger(value, out long integer, out status);
            bits = (short)integer;
            return fits && bits == integer;
        }
    }

    private readonly struct ToDword : ITarget<int>
    {
        public static int Convert(ref FloatEnvironment environment, Unpacked value, out bool roundedUp) =>
            (int)SoftFloat.ToInteger(ref environment, value, 32, out roundedUp);

        public static bool TryNormal(ExtendedReal value, out int bits, out ushort status)
        {
            bool fits = NormalArithmetic.ToInteger(value, out long integer, out status);
            bits = (int)integer;
            return fits && bits == integer;
        }
    }

    private readonly struct ToQword : ITarget<long>
    {
        public static long Convert(ref FloatEnvironment environment, Unpacked value, out bool roundedUp) =>
            SoftFloat.ToInteger(ref environment, value, 64, out roundedUp);

        public static bool TryNormal(ExtendedReal value, out long bits, out ushort status) =>
            NormalArithmetic.ToInteger(value, out bits, out status);
    }

    private readonly struct Truncated<T, TBits> : ITarget<TBits>
        where T : struct, ITarget<TBits>
        where TBits : unmanaged
    {
        public static TBits Convert(ref FloatEnvironment environment, Unpacked value, out bool roundedUp)
        {
            environment.Rounding = RoundingMode.TowardZero;
            return T.Convert(ref environment, value, out roundedUp);
        }

        public static bool TryNormal(ExtendedReal value, out TBits bits, out ushort status)
        {
            bits = default;
            status = 0;
            return false;
        }
    }

    private readonly struct ToPackedDecimal : ITarget<PackedDecimal>
    {
        public static PackedDecimal Convert(ref FloatEnvironment environment, Unpacked value, out bool roundedUp)
        {
            FloatEnvironment attempt = environment;
            long integer = SoftFloat.ToInteger(ref attempt, value, 64, out roundedUp);
            ulong magnitude = (ulong)Math.Abs(Math.Max(integer, -long.MaxValue));
            if ((attempt.Raised & FloatExceptions.Invalid) != 0 || magnitude >= PackedDecimal.Limit)
            {
                roundedUp = false;
                environment.Raised |= FloatExceptions.Invalid;
                return PackedDecimal.Indefinite;
            }

            environment.Raised = attempt.Raised;
            return PackedDecimal.Pack(value.Sign, magnitude);
        }

        public static bool TryNormal(ExtendedReal value, out PackedDecimal bits, out ushort status)
        {
            bits = default;
            status = 0;
            return false;
        }
    }

    private static Outcome Store<T, TBits>(CpuState* s, Instruction* i) where T : struct, ITarget<TBits> where TBits : unmanaged =>
        Store<T, TBits>(s, i, pop: false);

    private static Outcome StoreAndPop<T, TBits>(CpuState* s, Instruction* i) where T : struct, ITarget<TBits> where TBits : unmanaged =>
        Store<T, TBits>(s, i, pop: true);

    private static Outcome Store<T, TBits>(CpuState* s, Instruction* i, bool pop) where T : struct, ITarget<TBits> where TBits : unmanaged
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        bool empty = X87Registers.IsEmpty(s, 0);
        if (!empty && NormalArithmetic.Serves(s) && T.TryNormal(X87Registers.Read(s, 0), out TBits normal, out ushort status))
        {
            return StoreNormal(s, i, normal, status, pop);
        }

        FloatEnvironment environment = X87Exceptions.Environment(s);
        Unpacked value = empty ? new Unpacked(FloatClass.Unsupported, false, 0, 0) : X87Registers.Read(s, 0).Unpack();
        TBits bits = T.Convert(ref environment, value, out bool roundedUp);

        // Nothing is stored or popped on an unmasked exception, unless it is only about precision (SDM Vol. 1 8.5).
        bool completes = (environment.Raised & ~environment.Masked & ~FloatExceptions.Precision) == 0;
        if (!StoreOrProbe(s, i, bits, completes))
        {
            return SlowAccess.Failure(s);
        }

        if (!completes)
        {
            // What was not stored was not rounded either.
            environment.Raised &= ~FloatExceptions.Precision;
            roundedUp = false;
        }

        X87Exceptions.Begin(s, i);
        if (empty)
        {
            X87Exceptions.StackUnderflow(s, i);
        }
        else
        {
            X87Exceptions.Record(s, i, environment, roundedUp);
        }

        if (completes && pop)
        {
            X87Registers.Pop(s);
        }

        return Outcome.Next;
    }

    // What an unmasked exception keeps from being stored faults all the same where it could not be.
    private static bool StoreOrProbe<T>(CpuState* s, Instruction* i, T value, bool store) where T : unmanaged =>
        store
            ? Operands.StoreOperand(s, i, value)
            : Operands.WriteAddress(s, i, sizeof(T), out ulong linear) && SlowAccess.ProbeWrite(s, linear, sizeof(T));

    private static Outcome StoreNormal<TBits>(CpuState* s, Instruction* i, TBits bits, ushort status, bool pop) where TBits : unmanaged
    {
        if (!Operands.StoreOperand(s, i, bits))
        {
            return SlowAccess.Failure(s);
        }

        X87Exceptions.Begin(s, i);
        s->FpuStatus |= status;
        if (pop)
        {
            X87Registers.Pop(s);
        }

        return Outcome.Next;
    }

    // A copy: only an empty register is an exception.
    private static Outcome StoreExtended(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        bool empty = X87Registers.IsEmpty(s, 0);
        bool completes = !empty || (s->FpuControl & (int)FloatExceptions.Invalid) != 0;
        if (!StoreOrProbe(s, i, empty ? ExtendedReal.Indefinite : X87Registers.Read(s, 0), completes))
        {
            return SlowAccess.Failure(s);
        }

        X87Exceptions.Begin(s, i);
        if (empty)
        {
            X87Exceptions.StackUnderflow(s, i);
        }

        if (completes)
        {
            X87Registers.Pop(s);
        }

        return Outcome.Next;
    }

    private static Outcome StoreRegister(CpuState* s, Instruction* i) => StoreRegister(s, i, pop: false);

    private static Outcome StoreRegisterAndPop(CpuState* s, Instruction* i) => StoreRegister(s, i, pop: true);

    private static Outcome StoreRegister(CpuState* s, Instruction* i, bool pop)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        if (X87Registers.IsEmpty(s, 0))
        {
            X87Forms.Underflow(s, i, i->Destination, pop);
            return Outcome.Next;
        }

        X87Registers.Write(s, i->Destination, X87Registers.Read(s, 0));
        if (pop)
        {
            X87Registers.Pop(s);
        }

        return Outcome.Next;
    }

    // D9 D8+i, undocumented: like FSTP ST(i), but an empty source is no exception.
    private static Outcome StoreRegisterUncheckedAndPop(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        if (!X87Registers.IsEmpty(s, 0))
        {
            X87Registers.Write(s, i->Destination, X87Registers.Read(s, 0));
        }

        X87Registers.Pop(s);
        return Outcome.Next;
    }
}
