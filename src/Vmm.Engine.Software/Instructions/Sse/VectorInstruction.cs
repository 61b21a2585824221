using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>destination = operation(destination, source).</summary>
internal interface IVectorBinary
{
    static abstract Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b);
}

/// <summary>destination = operation(source).</summary>
internal interface IVectorUnary
{
    static abstract Vector128<byte> Apply(Vector128<byte> source);
}

/// <summary>destination = operation(destination, source, immediate).</summary>
internal interface IVectorBinaryImmediate
{
    static abstract Vector128<byte> Apply(Vector128<byte> a, Vector128<byte> b, byte immediate);

    /// <summary>Where in the immediate of a 256-bit form the bits for the upper half start; 0: both halves take the same.</summary>
    static virtual int UpperHalfShift => 0;
}

/// <summary>The forms that vector instructions without exceptions of their own come in.</summary>
internal static unsafe class VectorInstruction
{
    public static Outcome BinaryRegister<T>(CpuState* s, Instruction* i) where T : struct, IVectorBinary
    {
        ref Vector128<byte> destination = ref Operands.Register<Vector128<byte>>(s, i->Destination);
        destination = T.Apply(destination, Operands.Register<Vector128<byte>>(s, i->Source));
        return Outcome.Next;
    }

    public static Outcome BinaryMemory<T>(CpuState* s, Instruction* i) where T : struct, IVectorBinary
    {
        if (!LoadAligned(s, i, out Vector128<byte> source))
        {
            return SlowAccess.Failure(s);
        }

        ref Vector128<byte> destination = ref Operands.Register<Vector128<byte>>(s, i->Destination);
        destination = T.Apply(destination, source);
        return Outcome.Next;
    }

    public static Outcome UnaryRegister<T>(CpuState* s, Instruction* i) where T : struct, IVectorUnary
    {
        Operands.Register<Vector128<byte>>(s, i->Destination) = T.Apply(Operands.Register<Vector128<byte>>(s, i->Source));
        return Outcome.Next;
    }

    public static Outcome UnaryMemory<T>(CpuState* s, Instruction* i) where T : struct, IVectorUnary
    {
        if (!LoadAligned(s, i, out Vector128<byte> source))
        {
            return SlowAccess.Failure(s);
        }

        Operands.Register<Vector128<byte>>(s, i->Destination) = T.Apply(source);
        return Outcome.Next;
    }

    /// <summary>A unary operation whose memory operand is narrower than the register and need not be aligned.</summary>
    public static Outcome UnaryNarrowMemory<T, TMemory>(CpuState* s, Instruction* i)
        where T : struct, IVectorUnary
        where TMemory : unmanaged
    {
        if (!Operands.LoadOperand(s, i, out TMemory source))
        {
            return SlowAccess.Failure(s);
        }

        Operands.Register<Vector128<byte>>(s, i->Destination) = T.Apply(Vector128.CreateScalar(source).AsByte());
        return Outcome.Next;
    }

    public static Outcome ImmediateRegister<T>(CpuState* s, Instruction* i) where T : struct, IVectorBinaryImmediate
    {
        ref Vector128<byte> destination = ref Operands.Register<Vector128<byte>>(s, i->Destination);
        destination = T.Apply(destination, Operands.Register<Vector128<byte>>(s, i->Source), (byte)i->Immediate);
        return Outcome.Next;
    }

    public static Outcome ImmediateMemory<T>(CpuState* s, Instruction* i) where T : struct, IVectorBinaryImmediate
    {
        if (!LoadAligned(s, i, out Vector128<byte> source))
        {
            return SlowAccess.Failure(s);
        }

        ref Vector128<byte> destination = ref Operands.Register<Vector128<byte>>(s, i->Destination);
        destination = T.Apply(destination, source, (byte)i->Immediate);
        return Outcome.Next;
    }

    /// <summary>Loads a whole vector; an unaligned address is #GP(0) (SDM Vol. 1 11.3.1). False: return <see cref="SlowAccess.Failure"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool LoadAligned<TVector>(CpuState* s, Instruction* i, out TVector value) where TVector : unmanaged
    {
        value = default;
        return (Operands.ReadAddress(s, i, sizeof(TVector), out ulong linear) || MisalignedBeyondLimit(s, i, sizeof(TVector)))
            && (((linear & (ulong)(sizeof(TVector) - 1)) == 0) || Misaligned(s))
            && LinearMemory.Load(s, linear, out value);
    }

    /// <summary>Stores a whole vector; an unaligned address is #GP(0). False: return <see cref="SlowAccess.Failure"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool StoreAligned<TVector>(CpuState* s, Instruction* i, TVector value) where TVector : unmanaged =>
        (Operands.WriteAddress(s, i, sizeof(TVector), out ulong linear) || MisalignedBeyondLimit(s, i, sizeof(TVector)))
        && (((linear & (ulong)(sizeof(TVector) - 1)) == 0) || Misaligned(s))
        && LinearMemory.Store(s, linear, value);

    // Alignment comes before the limit, whose fault may be another. Always false.
    private static bool MisalignedBeyondLimit(CpuState* s, Instruction* i, int size) =>
        (LinearMemory.FlatAddress(s, i) & (ulong)(size - 1)) != 0 && Misaligned(s);

    private static bool Misaligned(CpuState* s)
    {
        LogicalProcessor.Of(s).Mmu.Fail(Faults.GeneralProtection(s));
        return false;
    }
}
