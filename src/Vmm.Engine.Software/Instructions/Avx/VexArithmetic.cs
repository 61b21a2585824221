using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions.Sse;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>VADD, VSUB, VMUL and VDIV: as <see cref="FloatArithmetic"/>, on the host's arithmetic where that is exact.</summary>
internal static unsafe class VexArithmetic
{
    /// <summary>Codes of the 128-bit packed forms, which the 256-bit ones follow, and of the scalar forms.</summary>
    public static void Set<T>(HandlerTable table, Code ps, Code pd, Code ss, Code sd) where T : struct, IFloatBinary
    {
        table.Set(ps, &PackedSingles<T, V>);
        table.Set(ps + 1, &PackedSingles<T, Vector256<byte>>);
        table.Set(pd, &PackedDoubles<T, V>);
        table.Set(pd + 1, &PackedDoubles<T, Vector256<byte>>);
        table.Set(ss, &ScalarSingle<T>);
        table.Set(sd, &ScalarDouble<T>);
    }

    private static Outcome PackedSingles<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IFloatBinary
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source2, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        if (SimdExceptions.HostArithmeticServes(s)
            && FloatArithmetic.TryHost<T>(VexOperands.Lower(s, i->Source).AsSingle(), lower.AsSingle(), out Vector128<float> low))
        {
            Vector128<float> high = default;
            if (!VexOperands.Is256<TVector>()
                || FloatArithmetic.TryHost<T>(VexOperands.Upper(s, i->Source).AsSingle(), upper.AsSingle(), out high))
            {
                VexOperands.Write(s, i->Destination, low.AsByte(), high.AsByte());
                return Outcome.Next;
            }
        }

        return VexFloatForms.Apply<FloatArithmetic.EachSingle<T>, TVector>(s, i, lower, upper);
    }

    private static Outcome PackedDoubles<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IFloatBinary
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source2, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        if (SimdExceptions.HostArithmeticServes(s)
            && FloatArithmetic.TryHost<T>(VexOperands.Lower(s, i->Source).AsDouble(), lower.AsDouble(), out Vector128<double> low))
        {
            Vector128<double> high = default;
            if (!VexOperands.Is256<TVector>()
                || FloatArithmetic.TryHost<T>(VexOperands.Upper(s, i->Source).AsDouble(), upper.AsDouble(), out high))
            {
                VexOperands.Write(s, i->Destination, low.AsByte(), high.AsByte());
                return Outcome.Next;
            }
        }

        return VexFloatForms.Apply<FloatArithmetic.EachDouble<T>, TVector>(s, i, lower, upper);
    }

    private static Outcome ScalarSingle<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary
    {
        if (!VexOperands.LoadNarrow<uint>(s, i, i->Source2, out V b))
        {
            return SlowAccess.Failure(s);
        }

        Vector128<uint> a = VexOperands.Lower(s, i->Source).AsUInt32();
        if (!FloatArithmetic.TrySingle<T>(s, a.ToScalar(), b.AsUInt32().ToScalar(), out uint result))
        {
            return SimdExceptions.Raise(s);
        }

        VexOperands.Write(s, i->Destination, a.WithElement(0, result).AsByte());
        return Outcome.Next;
    }

    private static Outcome ScalarDouble<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary
    {
        if (!VexOperands.LoadNarrow<ulong>(s, i, i->Source2, out V b))
        {
            return SlowAccess.Failure(s);
        }

        Vector128<ulong> a = VexOperands.Lower(s, i->Source).AsUInt64();
        if (!FloatArithmetic.TryDouble<T>(s, a.ToScalar(), b.AsUInt64().ToScalar(), out ulong result))
        {
            return SimdExceptions.Raise(s);
        }

        VexOperands.Write(s, i->Destination, a.WithElement(0, result).AsByte());
        return Outcome.Next;
    }
}
