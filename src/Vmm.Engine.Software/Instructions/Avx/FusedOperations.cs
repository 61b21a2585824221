using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Instructions.Sse;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>FMA: products and sums with one rounding. The element type parameter, uint or ulong, is the format's encoding.</summary>
internal static unsafe class FusedOperations
{
    public static void Register(HandlerTable table)
    {
        Packed<MultiplyAdd, uint>(table, Code.VEX_Vfmadd132ps_xmm_xmm_xmmm128, Code.VEX_Vfmadd213ps_xmm_xmm_xmmm128, Code.VEX_Vfmadd231ps_xmm_xmm_xmmm128);
        Packed<MultiplyAdd, ulong>(table, Code.VEX_Vfmadd132pd_xmm_xmm_xmmm128, Code.VEX_Vfmadd213pd_xmm_xmm_xmmm128, Code.VEX_Vfmadd231pd_xmm_xmm_xmmm128);
        Scalar<MultiplyAdd, uint>(table, Code.VEX_Vfmadd132ss_xmm_xmm_xmmm32, Code.VEX_Vfmadd213ss_xmm_xmm_xmmm32, Code.VEX_Vfmadd231ss_xmm_xmm_xmmm32);
        Scalar<MultiplyAdd, ulong>(table, Code.VEX_Vfmadd132sd_xmm_xmm_xmmm64, Code.VEX_Vfmadd213sd_xmm_xmm_xmmm64, Code.VEX_Vfmadd231sd_xmm_xmm_xmmm64);
        Packed<MultiplySubtract, uint>(table, Code.VEX_Vfmsub132ps_xmm_xmm_xmmm128, Code.VEX_Vfmsub213ps_xmm_xmm_xmmm128, Code.VEX_Vfmsub231ps_xmm_xmm_xmmm128);
        Packed<MultiplySubtract, ulong>(table, Code.VEX_Vfmsub132pd_xmm_xmm_xmmm128, Code.VEX_Vfmsub213pd_xmm_xmm_xmmm128, Code.VEX_Vfmsub231pd_xmm_xmm_xmmm128);
        Scalar<MultiplySubtract, uint>(table, Code.VEX_Vfmsub132ss_xmm_xmm_xmmm32, Code.VEX_Vfmsub213ss_xmm_xmm_xmmm32, Code.VEX_Vfmsub231ss_xmm_xmm_xmmm32);
        Scalar<MultiplySubtract, ulong>(table, Code.VEX_Vfmsub132sd_xmm_xmm_xmmm64, Code.VEX_Vfmsub213sd_xmm_xmm_xmmm64, Code.VEX_Vfmsub231sd_xmm_xmm_xmmm64);
        Packed<NegativeMultiplyAdd, uint>(table, Code.VEX_Vfnmadd132ps_xmm_xmm_xmmm128, Code.VEX_Vfnmadd213ps_xmm_xmm_xmmm128, Code.VEX_Vfnmadd231ps_xmm_xmm_xmmm128);
        Packed<NegativeMultiplyAdd, ulong>(table, Code.VEX_Vfnmadd132pd_xmm_xmm_xmmm128, Code.VEX_Vfnmadd213pd_xmm_xmm_xmmm128, Code.VEX_Vfnmadd231pd_xmm_xmm_xmmm128);
        Scalar<NegativeMultiplyAdd, uint>(table, Code.VEX_Vfnmadd132ss_xmm_xmm_xmmm32, Code.VEX_Vfnmadd213ss_xmm_xmm_xmmm32, Code.VEX_Vfnmadd231ss_xmm_xmm_xmmm32);
        Scalar<NegativeMultiplyAdd, ulong>(table, Code.VEX_Vfnmadd132sd_xmm_xmm_xmmm64, Code.VEX_Vfnmadd213sd_xmm_xmm_xmmm64, Code.VEX_Vfnmadd231sd_xmm_xmm_xmmm64);
        Packed<NegativeMultiplySubtract, uint>(table, Code.VEX_Vfnmsub132ps_xmm_xmm_xmmm128, Code.VEX_Vfnmsub213ps_xmm_xmm_xmmm128, Code.VEX_Vfnmsub231ps_xmm_xmm_xmmm128);
        Packed<NegativeMultiplySubtract, ulong>(table, Code.VEX_Vfnmsub132pd_xmm_xmm_xmmm128, Code.VEX_Vfnmsub213pd_xmm_xmm_xmmm128, Code.VEX_Vfnmsub231pd_xmm_xmm_xmmm128);
        Scalar<NegativeMultiplySubtract, uint>(table, Code.VEX_Vfnmsub132ss_xmm_xmm_xmmm32, Code.VEX_Vfnmsub213ss_xmm_xmm_xmmm32, Code.VEX_Vfnmsub231ss_xmm_xmm_xmmm32);
        Scalar<NegativeMultiplySubtract, ulong>(table, Code.VEX_Vfnmsub132sd_xmm_xmm_xmmm64, Code.VEX_Vfnmsub213sd_xmm_xmm_xmmm64, Code.VEX_Vfnmsub231sd_xmm_xmm_xmmm64);
        Packed<MultiplyAddSubtract, uint>(table, Code.VEX_Vfmaddsub132ps_xmm_xmm_xmmm128, Code.VEX_Vfmaddsub213ps_xmm_xmm_xmmm128, Code.VEX_Vfmaddsub231ps_xmm_xmm_xmmm128);
        Packed<MultiplyAddSubtract, ulong>(table, Code.VEX_Vfmaddsub132pd_xmm_xmm_xmmm128, Code.VEX_Vfmaddsub213pd_xmm_xmm_xmmm128, Code.VEX_Vfmaddsub231pd_xmm_xmm_xmmm128);
        Packed<MultiplySubtractAdd, uint>(table, Code.VEX_Vfmsubadd132ps_xmm_xmm_xmmm128, Code.VEX_Vfmsubadd213ps_xmm_xmm_xmmm128, Code.VEX_Vfmsubadd231ps_xmm_xmm_xmmm128);
        Packed<MultiplySubtractAdd, ulong>(table, Code.VEX_Vfmsubadd132pd_xmm_xmm_xmmm128, Code.VEX_Vfmsubadd213pd_xmm_xmm_xmmm128, Code.VEX_Vfmsubadd231pd_xmm_xmm_xmmm128);
    }

    private static void Packed<T, TElement>(HandlerTable table, Code code132, Code code213, Code code231)
        where T : struct, IFusedOperation
        where TElement : unmanaged
    {
        table.Set(code132, &Packed<T, TElement, Order132, V>);
        table.Set(code132 + 1, &Packed<T, TElement, Order132, Vector256<byte>>);
        table.Set(code213, &Packed<T, TElement, Order213, V>);
        table.Set(code213 + 1, &Packed<T, TElement, Order213, Vector256<byte>>);
        table.Set(code231, &Packed<T, TElement, Order231, V>);
        table.Set(code231 + 1, &Packed<T, TElement, Order231, Vector256<byte>>);
    }

    private static void Scalar<T, TElement>(HandlerTable table, Code code132, Code code213, Code code231)
        where T : struct, IFusedOperation
        where TElement : unmanaged
    {
        table.Set(code132, &Scalar<T, TElement, Order132>);
        table.Set(code213, &Scalar<T, TElement, Order213>);
        table.Set(code231, &Scalar<T, TElement, Order231>);
    }

    private static Outcome Packed<T, TElement, TOrder, TVector>(CpuState* s, Instruction* i)
        where T : struct, IFusedOperation
        where TElement : unmanaged
        where TOrder : struct, IOperandOrder
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source2, out V thirdLower, out V thirdUpper))
        {
            return SlowAccess.Failure(s);
        }

        Triple lower = TOrder.Arrange(VexOperands.Lower(s, i->Destination), VexOperands.Lower(s, i->Source), thirdLower);
        Triple upper = VexOperands.Is256<TVector>()
            ? TOrder.Arrange(VexOperands.Upper(s, i->Destination), VexOperands.Upper(s, i->Source), thirdUpper)
            : default;
        V high = default;
        if (SimdExceptions.HostArithmeticServes(s) && FusedArithmetic.TryHost<T, TElement>(lower, out V low)
            && (!VexOperands.Is256<TVector>() || FusedArithmetic.TryHost<T, TElement>(upper, out high)))
        {
            VexOperands.Write(s, i->Destination, low, high);
            return Outcome.Next;
        }

        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        low = FusedArithmetic.Soft<T, TElement>(ref environment, lower, Vector128<TElement>.Count);
        high = VexOperands.Is256<TVector>() ? FusedArithmetic.Soft<T, TElement>(ref environment, upper, Vector128<TElement>.Count) : default;
        return VexFloatForms.Finish(s, i, environment, low, high);
    }

    /// <summary>Computes the lowest element; the others are the destination's.</summary>
    private static Outcome Scalar<T, TElement, TOrder>(CpuState* s, Instruction* i)
        where T : struct, IFusedOperation
        where TElement : unmanaged
        where TOrder : struct, IOperandOrder
    {
        if (!VexOperands.LoadNarrow<TElement>(s, i, i->Source2, out V third))
        {
            return SlowAccess.Failure(s);
        }

        V destination = VexOperands.Lower(s, i->Destination);
        Triple operands = TOrder.Arrange(
            Lowest<TElement>(destination), Lowest<TElement>(VexOperands.Lower(s, i->Source)), Lowest<TElement>(third));
        if (SimdExceptions.HostArithmeticServes(s) && FusedArithmetic.TryHost<T, TElement>(operands, out V result))
        {
            VexOperands.Write(s, i->Destination, WithLowest<TElement>(destination, result));
            return Outcome.Next;
        }

        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        result = FusedArithmetic.Soft<T, TElement>(ref environment, operands, 1);
        return VexFloatForms.Finish(s, i, environment, WithLowest<TElement>(destination, result), default);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Lowest<T>(V value) where T : unmanaged => Vector128.Create(value.As<byte, T>().ToScalar()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V WithLowest<T>(V value, V lowest) where T : unmanaged =>
        value.As<byte, T>().WithElement(0, lowest.As<byte, T>().ToScalar()).AsByte();

    /// <summary>Which operands are factors and which is the addend, by the digits in the mnemonic.</summary>
    private interface IOperandOrder
    {
        static abstract Triple Arrange(V first, V second, V third);
    }

    private readonly struct Order132 : IOperandOrder
    {
        public static Triple Arrange(V first, V second, V third) => new(first, third, second);
    }

    private readonly struct Order213 : IOperandOrder
    {
        public static Triple Arrange(V first, V second, V third) => new(second, first, third);
    }

    private readonly struct Order231 : IOperandOrder
    {
        public static Triple Arrange(V first, V second, V third) => new(second, third, first);
    }
}
