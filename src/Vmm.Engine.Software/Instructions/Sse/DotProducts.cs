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

/// <summary>
/// DPPS and DPPD: products chosen by bits 7:4, summed pairwise, stored where bits 3:0 say. Exceptions are those of each
/// stage in turn, over the whole vector.
/// </summary>
internal static unsafe class DotProducts
{
    public static void Register(HandlerTable table)
    {
        FloatForms.Packed<Singles>(table, Code.Dpps_xmm_xmmm128_imm8);
        FloatForms.Packed<Doubles>(table, Code.Dppd_xmm_xmmm128_imm8);
        VexFloatForms.Packed128<Singles>(table, Code.VEX_Vdpps_xmm_xmm_xmmm128_imm8);
        VexFloatForms.Packed128<Doubles>(table, Code.VEX_Vdppd_xmm_xmm_xmmm128_imm8);
        table.Set(Code.VEX_Vdpps_ymm_ymm_ymmm256_imm8, &BothHalves);
    }

    private readonly struct Singles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<uint> products = Products(ref environment, a.AsUInt32(), b.AsUInt32(), immediate);
            if (!environment.CompleteStage())
            {
                return default;
            }

            (uint low, uint high) = PairSums(ref environment, products);
            return environment.CompleteStage() ? Sum(ref environment, low, high, immediate) : default;
        }
    }

    private static Outcome BothHalves(CpuState* s, Instruction* i)
    {
        if (!VexOperands.Load<Vector256<byte>>(s, i, i->Source2, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        var immediate = (byte)i->Immediate;
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        Vector128<uint> first = Products(ref environment, VexOperands.Lower(s, i->Source).AsUInt32(), lower.AsUInt32(), immediate);
        Vector128<uint> second = Products(ref environment, VexOperands.Upper(s, i->Source).AsUInt32(), upper.AsUInt32(), immediate);
        if (environment.CompleteStage())
        {
            (uint, uint) firstSums = PairSums(ref environment, first);
            (uint, uint) secondSums = PairSums(ref environment, second);
            if (environment.CompleteStage())
            {
                lower = Sum(ref environment, firstSums.Item1, firstSums.Item2, immediate);
                upper = Sum(ref environment, secondSums.Item1, secondSums.Item2, immediate);
            }
        }

        return VexFloatForms.Finish(s, i, environment, lower, upper);
    }

    private static Vector128<uint> Products(ref FloatEnvironment environment, Vector128<uint> a, Vector128<uint> b, byte immediate)
    {
        Vector128<uint> products = default;
        for (int n = 0; n < 4; n++)
        {
            if ((immediate & (0x10 << n)) != 0)
            {
                products = products.WithElement(n, SimdArithmetic.Single<FloatMultiply>(ref environment, a.GetElement(n), b.GetElement(n)));
            }
        }

        return products;
    }

    private static (uint Low, uint High) PairSums(ref FloatEnvironment environment, Vector128<uint> products) =>
        (SimdArithmetic.Single<FloatAdd>(ref environment, products.GetElement(0), products.GetElement(1)),
            SimdArithmetic.Single<FloatAdd>(ref environment, products.GetElement(2), products.GetElement(3)));

    private static V Sum(ref FloatEnvironment environment, uint low, uint high, byte immediate)
    {
        uint sum = SimdArithmetic.Single<FloatAdd>(ref environment, low, high);
        return BlendSingles.Apply(default, Vector128.Create(sum).AsByte(), (byte)(immediate & 15));
    }

    private readonly struct Doubles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            ulong low = (immediate & 0x10) != 0
                ? SimdArithmetic.Double<FloatMultiply>(ref environment, a.AsUInt64().GetElement(0), b.AsUInt64().GetElement(0))
                : 0;
            ulong high = (immediate & 0x20) != 0
                ? SimdArithmetic.Double<FloatMultiply>(ref environment, a.AsUInt64().GetElement(1), b.AsUInt64().GetElement(1))
                : 0;
            if (!environment.CompleteStage())
            {
                return default;
            }

            ulong sum = SimdArithmetic.Double<FloatAdd>(ref environment, low, high);
            return BlendDoubles.Apply(default, Vector128.Create(sum).AsByte(), (byte)(immediate & 3));
        }
    }
}
