using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Instructions.Avx;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>destination = operation(destination, source, immediate), with floating-point exceptions.</summary>
internal interface IFloatVector
{
    static abstract V Apply(ref FloatEnvironment environment, V a, V b, byte immediate);
}

/// <summary>The forms of vector instructions that raise floating-point exceptions.</summary>
internal static unsafe class FloatForms
{
    /// <summary>A form with a 16-byte aligned memory operand, and its VEX forms of three operands.</summary>
    public static void Packed<T>(HandlerTable table, Code code, Code vex) where T : struct, IFloatVector
    {
        Packed<T>(table, code);
        VexFloatForms.Packed<T>(table, vex);
    }

    /// <summary>The same for an operation that ignores the destination's old value: the VEX forms have two operands.</summary>
    public static void Unary<T>(HandlerTable table, Code code, Code vex) where T : struct, IFloatVector
    {
        Packed<T>(table, code);
        VexFloatForms.Unary<T>(table, vex);
    }

    /// <summary>The same for one that fills half of the destination.</summary>
    public static void Narrowing<T>(HandlerTable table, Code code, Code vex) where T : struct, IFloatVector
    {
        Packed<T>(table, code);
        VexFloatForms.Narrowing<T>(table, vex);
    }

    /// <summary>The same for one that reads half of the source.</summary>
    public static void Widening<T>(HandlerTable table, Code code, Code vex) where T : struct, IFloatVector
    {
        table.Set(code, &Register<T>, &NarrowMemory<T, ulong>);
        VexFloatForms.Widening<T>(table, vex);
    }

    /// <summary>A form that computes the lowest lane, whose memory operand need not be aligned, and its VEX form of three operands.</summary>
    public static void Scalar<T, TMemory>(HandlerTable table, Code code, Code vex)
        where T : struct, IFloatVector
        where TMemory : unmanaged
    {
        Scalar<T, TMemory>(table, code);
        VexFloatForms.Scalar<T, TMemory>(table, vex);
    }

    /// <inheritdoc cref="Packed{T}(HandlerTable, Code)"/>
    public static void Scalar<T, TMemory>(HandlerTable table, Code code)
        where T : struct, IFloatVector
        where TMemory : unmanaged =>
        table.Set(code, &Register<T>, &NarrowMemory<T, TMemory>);

    /// <summary>The legacy form alone.</summary>
    public static void Packed<T>(HandlerTable table, Code code) where T : struct, IFloatVector =>
        table.Set(code, &Register<T>, &AlignedMemory<T>);

    /// <summary>Computes, records exceptions and, when none is unmasked, writes.</summary>
    public static Outcome Apply<T>(CpuState* s, Instruction* i, V source) where T : struct, IFloatVector
    {
        ref V destination = ref Operands.Register<V>(s, i->Destination);
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        V result = T.Apply(ref environment, destination, source, (byte)i->Immediate);
        if (!SimdExceptions.Record(s, environment))
        {
            return SimdExceptions.Raise(s);
        }

        destination = result;
        return Outcome.Next;
    }

    private static Outcome Register<T>(CpuState* s, Instruction* i) where T : struct, IFloatVector =>
        Apply<T>(s, i, Operands.Register<V>(s, i->Source));

    private static Outcome AlignedMemory<T>(CpuState* s, Instruction* i) where T : struct, IFloatVector =>
        VectorInstruction.LoadAligned(s, i, out V source) ? Apply<T>(s, i, source) : SlowAccess.Failure(s);

    private static Outcome NarrowMemory<T, TMemory>(CpuState* s, Instruction* i)
        where T : struct, IFloatVector
        where TMemory : unmanaged =>
        Operands.LoadOperand(s, i, out TMemory source)
            ? Apply<T>(s, i, Vector128.CreateScalar(source).AsByte())
            : SlowAccess.Failure(s);
}
