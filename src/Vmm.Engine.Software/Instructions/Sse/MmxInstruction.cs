using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>The forms of MMX instructions. Every one of them enters MMX state: TOP 0, all tags valid (SDM Vol. 3A 12.2).</summary>
internal static unsafe class MmxInstruction
{
    public static void SetBinary<T>(HandlerTable table, Code code) where T : struct, IVectorBinary =>
        table.Set(code, &BinaryRegister<T>, &BinaryMemory<T>);

    public static void SetUnary<T>(HandlerTable table, Code code) where T : struct, IVectorUnary =>
        table.Set(code, &UnaryRegister<T>, &UnaryMemory<T>);

    /// <summary>Enters MMX state.</summary>
    public static void Enter(CpuState* s)
    {
        s->FpuTop = 0;
        s->FpuTagsEmpty = 0;
    }

    public static ulong Read(CpuState* s, ushort register) => Operands.Register<ulong>(s, register);

    /// <summary>Writes a register; the aliased exponent becomes all ones (SDM Vol. 3A 12.2).</summary>
    public static void Write(CpuState* s, ushort register, ulong value)
    {
        Operands.Register<ulong>(s, register) = value;
        Operands.Register<ushort>(s, (ushort)(register + 8)) = 0xFFFF;
    }

    private static Outcome BinaryRegister<T>(CpuState* s, Instruction* i) where T : struct, IVectorBinary
    {
        Finish<T>(s, i, Read(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome BinaryMemory<T>(CpuState* s, Instruction* i) where T : struct, IVectorBinary
    {
        if (!Operands.LoadOperand(s, i, out ulong source))
        {
            return SlowAccess.Failure(s);
        }

        Finish<T>(s, i, source);
        return Outcome.Next;
    }

    private static void Finish<T>(CpuState* s, Instruction* i, ulong source) where T : struct, IVectorBinary
    {
        Vector128<byte> a = Vector128.CreateScalar(Read(s, i->Destination)).AsByte();
        Enter(s);
        Write(s, i->Destination, T.Apply(a, Vector128.CreateScalar(source).AsByte()).AsUInt64().ToScalar());
    }

    private static Outcome UnaryRegister<T>(CpuState* s, Instruction* i) where T : struct, IVectorUnary
    {
        ulong source = Read(s, i->Source);
        Enter(s);
        Write(s, i->Destination, T.Apply(Vector128.CreateScalar(source).AsByte()).AsUInt64().ToScalar());
        return Outcome.Next;
    }

    private static Outcome UnaryMemory<T>(CpuState* s, Instruction* i) where T : struct, IVectorUnary
    {
        if (!Operands.LoadOperand(s, i, out ulong source))
        {
            return SlowAccess.Failure(s);
        }

        Enter(s);
        Write(s, i->Destination, T.Apply(Vector128.CreateScalar(source).AsByte()).AsUInt64().ToScalar());
        return Outcome.Next;
    }

    public static Outcome ShiftByImmediate<T>(CpuState* s, Instruction* i) where T : struct, IVectorShift
    {
        Vector128<byte> value = Vector128.CreateScalar(Read(s, i->Destination)).AsByte();
        Enter(s);
        Write(s, i->Destination, T.Apply(value, (byte)i->Immediate).AsUInt64().ToScalar());
        return Outcome.Next;
    }
}
