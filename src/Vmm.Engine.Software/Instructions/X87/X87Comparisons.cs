using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>Comparisons into condition codes or EFLAGS (SDM Vol. 1 8.3.6). Unordered ones accept quiet NaNs.</summary>
internal static unsafe class X87Comparisons
{
    public static void Register(HandlerTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Fcom_st0_sti, Code.Fcom_st0_sti_DCD0])
        {
            table.Set(code, &Compare<Ordered, None>, null);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Fcomp_st0_sti, Code.Fcomp_st0_sti_DCD8, Code.Fcomp_st0_sti_DED0])
        {
            table.Set(code, &Compare<Ordered, Once>, null);
        }

        table.Set(Code.Fcompp, &CompareNext<Ordered, Twice>);
        table.Set(Code.Fucom_st0_sti, &Compare<Unordered, None>, null);
        table.Set(Code.Fucomp_st0_sti, &Compare<Unordered, Once>, null);
        table.Set(Code.Fucompp, &CompareNext<Unordered, Twice>);
        table.Set(Code.Fcomi_st0_sti, &CompareToFlags<Ordered, None>, null);
        table.Set(Code.Fcomip_st0_sti, &CompareToFlags<Ordered, Once>, null);
        table.Set(Code.Fucomi_st0_sti, &CompareToFlags<Unordered, None>, null);
        table.Set(Code.Fucomip_st0_sti, &CompareToFlags<Unordered, Once>, null);
        table.Set(Code.Ftst, &CompareWithZero);

        table.Set(Code.Fcom_m32fp, null, &CompareMemory<SingleReal, uint, None>);
        table.Set(Code.Fcom_m64fp, null, &CompareMemory<DoubleReal, ulong, None>);
        table.Set(Code.Ficom_m16int, null, &CompareMemory<WordInteger, short, None>);
        table.Set(Code.Ficom_m32int, null, &CompareMemory<DwordInteger, int, None>);
        table.Set(Code.Fcomp_m32fp, null, &CompareMemory<SingleReal, uint, Once>);
        table.Set(Code.Fcomp_m64fp, null, &CompareMemory<DoubleReal, ulong, Once>);
        table.Set(Code.Ficomp_m16int, null, &CompareMemory<WordInteger, short, Once>);
        table.Set(Code.Ficomp_m32int, null, &CompareMemory<DwordInteger, int, Once>);
    }

    private interface IKind
    {
        static abstract bool AcceptsQuietNaNs { get; }
    }

    private readonly struct Ordered : IKind
    {
        public static bool AcceptsQuietNaNs => false;
    }

    private readonly struct Unordered : IKind
    {
        public static bool AcceptsQuietNaNs => true;
    }

    private interface IPops
    {
        static abstract int Count { get; }
    }

    private readonly struct None : IPops
    {
        public static int Count => 0;
    }

    private readonly struct Once : IPops
    {
        public static int Count => 1;
    }

    private readonly struct Twice : IPops
    {
        public static int Count => 2;
    }

    private enum Relation
    {
        Greater,
        Less,
        Equal,
        Unordered,
    }

    private static Outcome Compare<TKind, TPops>(CpuState* s, Instruction* i) where TKind : struct, IKind where TPops : struct, IPops =>
        CompareRegisters<TKind, TPops>(s, i, i->Source);

    private static Outcome CompareNext<TKind, TPops>(CpuState* s, Instruction* i) where TKind : struct, IKind where TPops : struct, IPops =>
        CompareRegisters<TKind, TPops>(s, i, 1);

    private static Outcome CompareRegisters<TKind, TPops>(CpuState* s, Instruction* i, int other)
        where TKind : struct, IKind
        where TPops : struct, IPops
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        bool completes = Decide<TKind>(s, i, other, out Relation relation);
        SetConditions(s, relation);
        Pop<TPops>(s, completes);
        return Outcome.Next;
    }

    private static Outcome CompareToFlags<TKind, TPops>(CpuState* s, Instruction* i) where TKind : struct, IKind where TPops : struct, IPops
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        bool completes = Decide<TKind>(s, i, i->Source, out Relation relation);
        ArithmeticFlags.Write(s, relation switch
        {
            Relation.Greater => 0,
            Relation.Less => ArithmeticFlags.Carry,
            Relation.Equal => ArithmeticFlags.Zero,
            _ => ArithmeticFlags.Carry | ArithmeticFlags.Parity | ArithmeticFlags.Zero,
        });
        Pop<TPops>(s, completes);
        return Outcome.Next;
    }

    private static Outcome CompareMemory<TFormat, TBits, TPops>(CpuState* s, Instruction* i)
        where TFormat : struct, IX87Source<TBits>
        where TBits : unmanaged
        where TPops : struct, IPops
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
        bool completes = DecideWith(s, i, TFormat.Unpack(bits), out Relation relation);
        SetConditions(s, relation);
        Pop<TPops>(s, completes);
        return Outcome.Next;
    }

    private static Outcome CompareWithZero(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        DecideWith(s, i, new Unpacked(FloatClass.Zero, false, 0, 0), out Relation relation);
        SetConditions(s, relation);
        return Outcome.Next;
    }

    /// <summary>False: an unmasked exception, nothing is popped.</summary>
    private static bool Decide<TKind>(CpuState* s, Instruction* i, int other, out Relation relation) where TKind : struct, IKind
    {
        if (X87Registers.IsEmpty(s, 0) || X87Registers.IsEmpty(s, other))
        {
            relation = Relation.Unordered;
            return X87Exceptions.StackUnderflow(s, i);
        }

        return Relate<TKind>(s, i, X87Registers.Read(s, other).Unpack(), out relation);
    }

    private static bool DecideWith(CpuState* s, Instruction* i, Unpacked b, out Relation relation)
    {
        if (X87Registers.IsEmpty(s, 0))
        {
            relation = Relation.Unordered;
            return X87Exceptions.StackUnderflow(s, i);
        }

        return Relate<Ordered>(s, i, b, out relation);
    }

    private static bool Relate<TKind>(CpuState* s, Instruction* i, Unpacked b, out Relation relation) where TKind : struct, IKind
    {
        FloatEnvironment environment = X87Exceptions.Environment(s);
        Unpacked a = X87Registers.Read(s, 0).Unpack();
        if (X87Operands.Ordinary(ref environment, a, b, out _))
        {
            X87Operands.NoteDenormal(ref environment, a.Class == FloatClass.Denormal || b.Class == FloatClass.Denormal);
            relation = SoftFloat.Compare(a, b) switch
            {
                > 0 => Relation.Greater,
                < 0 => Relation.Less,
                _ => Relation.Equal,
            };
        }
        else
        {
            relation = Relation.Unordered;
            environment.Raised |= TKind.AcceptsQuietNaNs ? 0 : FloatExceptions.Invalid;
        }

        return X87Exceptions.Record(s, i, environment);
    }

    private static void SetConditions(CpuState* s, Relation relation)
    {
        int conditions = relation switch
        {
            Relation.Greater => 0,
            Relation.Less => X87Control.C0,
            Relation.Equal => X87Control.C3,
            _ => X87Control.C0 | X87Control.C2 | X87Control.C3,
        };
        s->FpuStatus = (ushort)((s->FpuStatus & ~X87Control.Conditions) | conditions);
    }

    private static void Pop<T>(CpuState* s, bool completes) where T : struct, IPops
    {
        for (int n = 0; completes && n < T.Count; n++)
        {
            X87Registers.Pop(s);
        }
    }
}
