using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>Instructions that push: loads of all formats and the constants (SDM Vol. 1 8.3.3, 8.3.4).</summary>
internal static unsafe class X87Loads
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Fld_m32fp, null, &Load<SingleReal, uint>);
        table.Set(Code.Fld_m64fp, null, &Load<DoubleReal, ulong>);
        table.Set(Code.Fild_m16int, null, &Load<WordInteger, short>);
        table.Set(Code.Fild_m32int, null, &Load<DwordInteger, int>);
        table.Set(Code.Fild_m64int, null, &Load<QwordInteger, long>);
        table.Set(Code.Fbld_m80bcd, null, &Load<PackedDecimal, PackedDecimal>);
        table.Set(Code.Fld_m80fp, null, &LoadExtended);
        table.Set(Code.Fld_sti, &LoadRegister, null);
        table.Set(Code.Fld1, &LoadConstant<One>);
        table.Set(Code.Fldz, &LoadConstant<Zero>);
        table.Set(Code.Fldpi, &LoadConstant<Pi>);
        table.Set(Code.Fldl2e, &LoadConstant<Log2E>);
        table.Set(Code.Fldl2t, &LoadConstant<Log2Ten>);
        table.Set(Code.Fldlg2, &LoadConstant<Log10Two>);
        table.Set(Code.Fldln2, &LoadConstant<LogTwo>);
    }

    private static Outcome Load<TFormat, TBits>(CpuState* s, Instruction* i)
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

        if (!BeginPush(s, i))
        {
            return Outcome.Next;
        }

        if (TFormat.TryExtend(bits, out ExtendedReal normal))
        {
            X87Registers.Push(s, normal);
            return Outcome.Next;
        }

        FloatEnvironment environment = X87Exceptions.Environment(s);
        Unpacked value = TFormat.Unpack(bits);
        if (X87Operands.Ordinary(ref environment, value, out Unpacked result))
        {
            X87Operands.NoteDenormal(ref environment, value.Class == FloatClass.Denormal);
        }

        // An unmasked denormal operand does not stop a load (SDM Vol. 1 8.5.2).
        if (X87Exceptions.Record(s, i, environment) || environment.Raised == FloatExceptions.Denormal)
        {
            X87Registers.Push(s, ExtendedReal.Pack(result));
        }

        return Outcome.Next;
    }

    // A copy: nothing is looked at (SDM Vol. 2A "FLD").
    private static Outcome LoadExtended(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        if (!Operands.LoadOperand(s, i, out ExtendedReal value))
        {
            return SlowAccess.Failure(s);
        }

        if (BeginPush(s, i))
        {
            X87Registers.Push(s, value);
        }

        return Outcome.Next;
    }

    private static Outcome LoadRegister(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        if (X87Registers.IsEmpty(s, i->Destination))
        {
            X87Exceptions.Begin(s, i);
            if (X87Exceptions.StackUnderflow(s, i))
            {
                X87Registers.Push(s, ExtendedReal.Indefinite);
            }
        }
        else if (BeginPush(s, i))
        {
            X87Registers.Push(s, X87Registers.Read(s, i->Destination));
        }

        return Outcome.Next;
    }

    /// <summary>False: the stack is full, and that is dealt with.</summary>
    private static bool BeginPush(CpuState* s, Instruction* i)
    {
        X87Exceptions.Begin(s, i);
        if (X87Registers.IsEmpty(s, 7))
        {
            return true;
        }

        if (X87Exceptions.StackOverflow(s, i))
        {
            X87Registers.Push(s, ExtendedReal.Indefinite);
        }

        return false;
    }

    private interface IConstant
    {
        static abstract WideFloat Value { get; }
    }

    private readonly struct One : IConstant
    {
        public static WideFloat Value => WideFloat.One;
    }

    private readonly struct Pi : IConstant
    {
        public static WideFloat Value => WideFloat.Pi;
    }

    private readonly struct Log2E : IConstant
    {
        public static WideFloat Value => WideFloat.Log2E;
    }

    private readonly struct Log2Ten : IConstant
    {
        public static WideFloat Value => WideFloat.Log2Ten;
    }

    private readonly struct Log10Two : IConstant
    {
        public static WideFloat Value => WideFloat.Log10Two;
    }

    private readonly struct LogTwo : IConstant
    {
        public static WideFloat Value => WideFloat.LogTwo;
    }

    private readonly struct Zero : IConstant
    {
        public static WideFloat Value => default;
    }

    // Rounded as rounding control says, to 64 bits whatever precision control says; never an exception (SDM Vol. 1 8.3.8).
    private static Outcome LoadConstant<T>(CpuState* s, Instruction* i) where T : struct, IConstant
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        if (!BeginPush(s, i))
        {
            return Outcome.Next;
        }

        FloatEnvironment environment = X87Exceptions.Environment(s);
        WideFloat exact = T.Value;
        Unpacked value = exact.IsZero
            ? new Unpacked(FloatClass.Zero, false, 0, 0)
            : Rounder.Round(
                ref environment, FloatFormat.Extended, false, exact.Exponent, (ulong)(exact.Significand >> 64), (ulong)exact.Significand, out _);
        X87Registers.Push(s, ExtendedReal.Pack(value));
        return Outcome.Next;
    }
}
