using System.Runtime.CompilerServices;
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

/// <summary>What only AVX and AVX2 have of permutations: within halves, across them, broadcasts, and moves of halves.</summary>
internal static unsafe class Permutations
{
    public static void Register(HandlerTable table)
    {
        VexForms.Shuffle<ShuffleDwords>(table, Code.VEX_Vpermilps_xmm_xmmm128_imm8);
        VexForms.Shuffle<PermuteDoubles>(table, Code.VEX_Vpermilpd_xmm_xmmm128_imm8);
        VexForms.Binary<PermuteSinglesByVector>(table, Code.VEX_Vpermilps_xmm_xmm_xmmm128);
        VexForms.Binary<PermuteDoublesByVector>(table, Code.VEX_Vpermilpd_xmm_xmm_xmmm128);
        VexForms.Immediate<BlendSingles>(table, Code.VEX_Vpblendd_xmm_xmm_xmmm128_imm8);
        table.Set(Code.VEX_Vpermq_ymm_ymmm256_imm8, &PermuteQwords);
        table.Set(Code.VEX_Vpermpd_ymm_ymmm256_imm8, &PermuteQwords);
        table.Set(Code.VEX_Vpermd_ymm_ymm_ymmm256, &PermuteDwordsByVector);
        table.Set(Code.VEX_Vpermps_ymm_ymm_ymmm256, &PermuteDwordsByVector);
        table.Set(Code.VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, &PermuteHalves);
        table.Set(Code.VEX_Vperm2i128_ymm_ymm_ymmm256_imm8, &PermuteHalves);
        table.Set(Code.VEX_Vinsertf128_ymm_ymm_xmmm128_imm8, &InsertHalf);
        table.Set(Code.VEX_Vinserti128_ymm_ymm_xmmm128_imm8, &InsertHalf);
        table.Set(Code.VEX_Vextractf128_xmmm128_ymm_imm8, &ExtractHalf);
        table.Set(Code.VEX_Vextracti128_xmmm128_ymm_imm8, &ExtractHalf);

        table.Set(Code.VEX_Vbroadcastf128_ymm_m128, null, &BroadcastHalf);
        table.Set(Code.VEX_Vbroadcasti128_ymm_m128, null, &BroadcastHalf);
        Broadcast<uint>(table, Code.VEX_Vbroadcastss_xmm_m32, Code.VEX_Vbroadcastss_ymm_m32);
        Broadcast<uint>(table, Code.VEX_Vbroadcastss_xmm_xmm, Code.VEX_Vbroadcastss_ymm_xmm);
        table.Set(Code.VEX_Vbroadcastsd_ymm_m64, &Broadcast<ulong, Vector256<byte>>);
        table.Set(Code.VEX_Vbroadcastsd_ymm_xmm, &Broadcast<ulong, Vector256<byte>>);
        Broadcast<byte>(table, Code.VEX_Vpbroadcastb_xmm_xmmm8, Code.VEX_Vpbroadcastb_ymm_xmmm8);
        Broadcast<ushort>(table, Code.VEX_Vpbroadcastw_xmm_xmmm16, Code.VEX_Vpbroadcastw_ymm_xmmm16);
        Broadcast<uint>(table, Code.VEX_Vpbroadcastd_xmm_xmmm32, Code.VEX_Vpbroadcastd_ymm_xmmm32);
        Broadcast<ulong>(table, Code.VEX_Vpbroadcastq_xmm_xmmm64, Code.VEX_Vpbroadcastq_ymm_xmmm64);
    }

    private static void Broadcast<T>(HandlerTable table, Code xmm, Code ymm) where T : unmanaged
    {
        table.Set(xmm, &Broadcast<T, V>);
        table.Set(ymm, &Broadcast<T, Vector256<byte>>);
    }

    private readonly struct PermuteDoubles : IVectorBinaryImmediate
    {
        public static int UpperHalfShift => 2;

        public static V Apply(V a, V b, byte immediate) => ShuffleDoubles.Apply(b, b, immediate);
    }

    private readonly struct PermuteSinglesByVector : IVectorBinary
    {
        public static V Apply(V a, V b) => Vector128.Shuffle(a.AsUInt32(), b.AsUInt32() & Vector128.Create(3u)).AsByte();
    }

    /// <summary>Bit 1 of a lane chooses.</summary>
    private readonly struct PermuteDoublesByVector : IVectorBinary
    {
        public static V Apply(V a, V b) => Vector128.Shuffle(a.AsUInt64(), (b.AsUInt64() >>> 1) & Vector128.Create(1UL)).AsByte();
    }

    private static Outcome PermuteQwords(CpuState* s, Instruction* i)
    {
        if (!VexOperands.Load<Vector256<byte>>(s, i, i->Source, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        var order = (int)i->Immediate;
        V result = Pair(Qword(lower, upper, order), Qword(lower, upper, order >> 2));
        VexOperands.Write(s, i->Destination, result, Pair(Qword(lower, upper, order >> 4), Qword(lower, upper, order >> 6)));
        return Outcome.Next;
    }

    private static ulong Qword(V lower, V upper, int index) => ((index & 2) != 0 ? upper : lower).AsUInt64().GetElement(index & 1);

    private static V Pair(ulong low, ulong high) => Vector128.Create(low, high).AsByte();

    /// <summary>VPERMD and VPERMPS: the first source holds the indexes.</summary>
    private static Outcome PermuteDwordsByVector(CpuState* s, Instruction* i)
    {
        if (!VexOperands.Load<Vector256<byte>>(s, i, i->Source2, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        Vector256<uint> indexes = Operands.Register<Vector256<uint>>(s, i->Source) & Vector256.Create(7u);
        Operands.Register<Vector256<uint>>(s, i->Destination) = Vector256.Shuffle(Vector256.Create(lower, upper).AsUInt32(), indexes);
        return Outcome.Next;
    }

    private static Outcome PermuteHalves(CpuState* s, Instruction* i)
    {
        if (!VexOperands.Load<Vector256<byte>>(s, i, i->Source2, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        ReadOnlySpan<V> halves = [VexOperands.Lower(s, i->Source), VexOperands.Upper(s, i->Source), lower, upper];
        VexOperands.Write(s, i->Destination, Choose(halves, (int)i->Immediate), Choose(halves, (int)i->Immediate >> 4));
        return Outcome.Next;

        static V Choose(ReadOnlySpan<V> halves, int selector) => (selector & 8) != 0 ? default : halves[selector & 3];
    }

    private static Outcome InsertHalf(CpuState* s, Instruction* i)
    {
        if (!VexOperands.Load<V>(s, i, i->Source2, out V half, out _))
        {
            return SlowAccess.Failure(s);
        }

        bool upper = (i->Immediate & 1) != 0;
        VexOperands.Write(
            s, i->Destination, upper ? VexOperands.Lower(s, i->Source) : half, upper ? half : VexOperands.Upper(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome ExtractHalf(CpuState* s, Instruction* i)
    {
        V half = (i->Immediate & 1) != 0 ? VexOperands.Upper(s, i->Source) : VexOperands.Lower(s, i->Source);
        if ((i->Flags & InstructionFlags.Memory) != 0)
        {
            return Operands.StoreOperand(s, i, half) ? Outcome.Next : SlowAccess.Failure(s);
        }

        VexOperands.Write(s, i->Destination, half);
        return Outcome.Next;
    }

    private static Outcome BroadcastHalf(CpuState* s, Instruction* i)
    {
        if (!Operands.LoadOperand(s, i, out V half))
        {
            return SlowAccess.Failure(s);
        }

        VexOperands.Write(s, i->Destination, half, half);
        return Outcome.Next;
    }

    private static Outcome Broadcast<T, TVector>(CpuState* s, Instruction* i)
        where T : unmanaged
        where TVector : unmanaged
    {
        if (!VexOperands.LoadNarrow<T>(s, i, i->Source, out V source))
        {
            return SlowAccess.Failure(s);
        }

        V all = Vector128.Create(Unsafe.BitCast<V, Vector128<T>>(source).ToScalar()).AsByte();
        VexOperands.Write(s, i->Destination, all, VexOperands.Is256<TVector>() ? all : default);
        return Outcome.Next;
    }
}
