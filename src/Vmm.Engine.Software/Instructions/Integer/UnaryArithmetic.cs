using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

internal unsafe struct Increment : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = a + 1;
        ArithmeticFlags.SetIncrement(s, bits, a, result);
        return result;
    }
}

internal unsafe struct Decrement : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = a - 1;
        ArithmeticFlags.SetDecrement(s, bits, a, result);
        return result;
    }
}

internal unsafe struct Negate : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = 0 - a;
        ArithmeticFlags.SetSubtract(s, bits, 0, a, result);
        return result;
    }
}

internal unsafe struct Not : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b) => ~a;
}

/// <summary>INC, DEC, NEG, NOT, BSWAP.</summary>
internal static unsafe class UnaryArithmetic
{
    public static void Register(HandlerTable table)
    {
        Set<Increment>(table, Code.Inc_rm8, Code.Inc_rm16);
        Set<Decrement>(table, Code.Dec_rm8, Code.Dec_rm16);
        Set<Negate>(table, Code.Neg_rm8, Code.Neg_rm16);
        Set<Not>(table, Code.Not_rm8, Code.Not_rm16);
        table.Set(Code.Inc_r16, &InRegister<Increment, ushort>, null);
        table.Set(Code.Inc_r32, &InRegister<Increment, uint>, null);
        table.Set(Code.Dec_r16, &InRegister<Decrement, ushort>, null);
        table.Set(Code.Dec_r32, &InRegister<Decrement, uint>, null);
        table.Set(Code.Bswap_r16, &SwapWord, null);
        table.Set(Code.Bswap_r32, &SwapDword, null);
        table.Set(Code.Bswap_r64, &SwapQword, null);
    }

    private static void Set<TOperation>(HandlerTable table, Code bytes, Code words) where TOperation : struct, IModification
    {
        table.Set(bytes, &InRegister<TOperation, byte>, &InMemory<TOperation, byte>);
        table.Set(words, &InRegister<TOperation, ushort>, &InMemory<TOperation, ushort>);
        table.Set(words + 1, &InRegister<TOperation, uint>, &InMemory<TOperation, uint>);
        table.Set(words + 2, &InRegister<TOperation, ulong>, &InMemory<TOperation, ulong>);
    }

    private static Outcome InRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        ulong a = Width.ReadRegister<T>(s, i->Destination);
        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), a, 0));
        return Outcome.Next;
    }

    private static Outcome InMemory<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        ReadModifyWrite.Memory<TOperation, T>(s, i, 0);

    // Undefined for 16 bits (SDM Vol. 2A BSWAP); processors clear the register.
    private static Outcome SwapWord(CpuState* s, Instruction* i)
    {
        Width.WriteRegister<ushort>(s, i->Destination, 0);
        return Outcome.Next;
    }

    private static Outcome SwapDword(CpuState* s, Instruction* i)
    {
        Width.WriteRegister<uint>(s, i->Destination, BinaryPrimitives.ReverseEndianness((uint)Width.ReadRegister<uint>(s, i->Destination)));
        return Outcome.Next;
    }

    private static Outcome SwapQword(CpuState* s, Instruction* i)
    {
        Width.WriteRegister<ulong>(s, i->Destination, BinaryPrimitives.ReverseEndianness(Width.ReadRegister<ulong>(s, i->Destination)));
        return Outcome.Next;
    }
}
