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

/// <summary>Moves of vector registers, whole and in part, and VZEROALL and VZEROUPPER. Stores of parts are <see cref="SseMoves"/>'.</summary>
internal static unsafe class VexMoves
{
    public static void Register(HandlerTable table)
    {
        foreach (Code xmm in (ReadOnlySpan<Code>)
            [Code.VEX_Vmovups_xmm_xmmm128, Code.VEX_Vmovupd_xmm_xmmm128, Code.VEX_Vmovdqu_xmm_xmmm128])
        {
            table.Set(xmm, &LoadWhole<V>);
            table.Set(xmm + 1, &LoadWhole<Vector256<byte>>);
        }

        table.Set(Code.VEX_Vlddqu_xmm_m128, null, &LoadWhole<V>);
        table.Set(Code.VEX_Vlddqu_ymm_m256, null, &LoadWhole<Vector256<byte>>);
        foreach (Code xmm in (ReadOnlySpan<Code>)
            [Code.VEX_Vmovaps_xmm_xmmm128, Code.VEX_Vmovapd_xmm_xmmm128, Code.VEX_Vmovdqa_xmm_xmmm128])
        {
            table.Set(xmm, &LoadWhole<V>, &LoadWholeAligned<V>);
            table.Set(xmm + 1, &LoadWhole<Vector256<byte>>, &LoadWholeAligned<Vector256<byte>>);
        }

        table.Set(Code.VEX_Vmovntdqa_xmm_m128, null, &LoadWholeAligned<V>);
        table.Set(Code.VEX_Vmovntdqa_ymm_m256, null, &LoadWholeAligned<Vector256<byte>>);
        foreach (Code xmm in (ReadOnlySpan<Code>)
            [Code.VEX_Vmovups_xmmm128_xmm, Code.VEX_Vmovupd_xmmm128_xmm, Code.VEX_Vmovdqu_xmmm128_xmm])
        {
            table.Set(xmm, &LoadWhole<V>, &StoreWhole<V>);
            table.Set(xmm + 1, &LoadWhole<Vector256<byte>>, &StoreWhole<Vector256<byte>>);
        }

        foreach (Code xmm in (ReadOnlySpan<Code>)
            [Code.VEX_Vmovaps_xmmm128_xmm, Code.VEX_Vmovapd_xmmm128_xmm, Code.VEX_Vmovdqa_xmmm128_xmm])
        {
            table.Set(xmm, &LoadWhole<V>, &StoreWholeAligned<V>);
            table.Set(xmm + 1, &LoadWhole<Vector256<byte>>, &StoreWholeAligned<Vector256<byte>>);
        }

        foreach (Code xmm in (ReadOnlySpan<Code>)[Code.VEX_Vmovntps_m128_xmm, Code.VEX_Vmovntpd_m128_xmm, Code.VEX_Vmovntdq_m128_xmm])
        {
            table.Set(xmm, null, &StoreWholeAligned<V>);
            table.Set(xmm + 1, null, &StoreWholeAligned<Vector256<byte>>);
        }

        RegisterParts(table);
        table.Set(Code.VEX_Vzeroall, &ZeroAll, null);
        table.Set(Code.VEX_Vzeroupper, &ZeroUpper, null);
    }

    private static void RegisterParts(HandlerTable table)
    {
        VexForms.Narrow<LowOnly<uint>, uint>(table, Code.VEX_Vmovss_xmm_m32);
        VexForms.Narrow<LowOnly<ulong>, ulong>(table, Code.VEX_Vmovsd_xmm_m64);
        VexForms.Narrow<LowOnly<uint>, uint>(table, Code.VEX_Vmovd_xmm_rm32);
        VexForms.Narrow<LowOnly<ulong>, ulong>(table, Code.VEX_Vmovq_xmm_rm64);
        VexForms.Narrow<LowOnly<ulong>, ulong>(table, Code.VEX_Vmovq_xmm_xmmm64);
        table.Set(Code.VEX_Vmovq_xmmm64_xmm, &CopyLow, null);
        VexForms.Binary128<ReplaceLow<uint>>(table, Code.VEX_Vmovss_xmm_xmm_xmm);
        VexForms.Binary128<ReplaceLow<uint>>(table, Code.VEX_Vmovss_xmm_xmm_xmm_0F11);
        VexForms.Binary128<ReplaceLow<ulong>>(table, Code.VEX_Vmovsd_xmm_xmm_xmm);
        VexForms.Binary128<ReplaceLow<ulong>>(table, Code.VEX_Vmovsd_xmm_xmm_xmm_0F11);
        VexForms.BinaryNarrow<ReplaceLow<ulong>, ulong>(table, Code.VEX_Vmovlps_xmm_xmm_m64);
        VexForms.BinaryNarrow<ReplaceLow<ulong>, ulong>(table, Code.VEX_Vmovlpd_xmm_xmm_m64);
        VexForms.BinaryNarrow<UnpackLowQwords, ulong>(table, Code.VEX_Vmovhps_xmm_xmm_m64);
        VexForms.BinaryNarrow<UnpackLowQwords, ulong>(table, Code.VEX_Vmovhpd_xmm_xmm_m64);
        VexForms.Binary128<UnpackLowQwords>(table, Code.VEX_Vmovlhps_xmm_xmm_xmm);
        VexForms.Binary128<HighToLow>(table, Code.VEX_Vmovhlps_xmm_xmm_xmm);

        VexForms.ImmediateNarrow<InsertLane<byte>, byte>(table, Code.VEX_Vpinsrb_xmm_xmm_r32m8_imm8);
        VexForms.ImmediateNarrow<InsertLane<byte>, byte>(table, Code.VEX_Vpinsrb_xmm_xmm_r64m8_imm8);
        VexForms.ImmediateNarrow<InsertLane<ushort>, ushort>(table, Code.VEX_Vpinsrw_xmm_xmm_r32m16_imm8);
        VexForms.ImmediateNarrow<InsertLane<ushort>, ushort>(table, Code.VEX_Vpinsrw_xmm_xmm_r64m16_imm8);
        VexForms.ImmediateNarrow<InsertLane<uint>, uint>(table, Code.VEX_Vpinsrd_xmm_xmm_rm32_imm8);
        VexForms.ImmediateNarrow<InsertLane<ulong>, ulong>(table, Code.VEX_Vpinsrq_xmm_xmm_rm64_imm8);
        table.Set(Code.VEX_Vinsertps_xmm_xmm_xmmm32_imm8, &InsertSingle);
    }

    private readonly struct LowOnly<T> : IVectorUnary where T : unmanaged
    {
        public static V Apply(V source) => Vector128.CreateScalar(source.As<byte, T>().ToScalar()).AsByte();
    }

    private readonly struct ReplaceLow<T> : IVectorBinary where T : unmanaged
    {
        public static V Apply(V a, V b) => a.As<byte, T>().WithElement(0, b.As<byte, T>().ToScalar()).AsByte();
    }

    private readonly struct HighToLow : IVectorBinary
    {
        public static V Apply(V a, V b) => UnpackHighQwords.Apply(b, a);
    }

    private readonly struct InsertLane<T> : IVectorBinaryImmediate where T : unmanaged
    {
        public static V Apply(V a, V b, byte immediate) =>
            a.As<byte, T>().WithElement(immediate & (Vector128<T>.Count - 1), b.As<byte, T>().ToScalar()).AsByte();
    }

    private static Outcome LoadWhole<TVector>(CpuState* s, Instruction* i) where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        VexOperands.Write(s, i->Destination, lower, upper);
        return Outcome.Next;
    }

    private static Outcome LoadWholeAligned<TVector>(CpuState* s, Instruction* i) where TVector : unmanaged
    {
        if (!VectorInstruction.LoadAligned(s, i, out TVector value))
        {
            return SlowAccess.Failure(s);
        }

        Operands.Register<Vector256<byte>>(s, i->Destination) = default;
        Operands.Register<TVector>(s, i->Destination) = value;
        return Outcome.Next;
    }

    private static Outcome StoreWhole<TVector>(CpuState* s, Instruction* i) where TVector : unmanaged =>
        Operands.StoreOperand(s, i, Operands.Register<TVector>(s, i->Source)) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome StoreWholeAligned<TVector>(CpuState* s, Instruction* i) where TVector : unmanaged =>
        VectorInstruction.StoreAligned(s, i, Operands.Register<TVector>(s, i->Source)) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome CopyLow(CpuState* s, Instruction* i)
    {
        VexOperands.Write(s, i->Destination, LowOnly<ulong>.Apply(VexOperands.Lower(s, i->Source)));
        return Outcome.Next;
    }

    private static Outcome InsertSingle(CpuState* s, Instruction* i)
    {
        if (!VexOperands.LoadNarrow<uint>(s, i, i->Source2, out V source))
        {
            return SlowAccess.Failure(s);
        }

        int from = (i->Flags & InstructionFlags.Memory) != 0 ? 0 : (int)(i->Immediate >> 6) & 3;
        V inserted = VexOperands.Lower(s, i->Source).AsUInt32()
            .WithElement((int)(i->Immediate >> 4) & 3, source.AsUInt32().GetElement(from)).AsByte();
        VexOperands.Write(s, i->Destination, BlendSingles.Apply(inserted, default, (byte)(i->Immediate & 15)));
        return Outcome.Next;
    }

    // Outside 64-bit mode only the first eight registers exist (SDM Vol. 2C VZEROALL).
    private static int RegisterCount(Instruction* i) => (i->Flags & InstructionFlags.Code64) != 0 ? 16 : 8;

    private static Outcome ZeroAll(CpuState* s, Instruction* i)
    {
        for (int n = 0; n < RegisterCount(i); n++)
        {
            Operands.Register<Vector256<byte>>(s, Vector(n)) = default;
        }

        return Outcome.Next;
    }

    private static Outcome ZeroUpper(CpuState* s, Instruction* i)
    {
        for (int n = 0; n < RegisterCount(i); n++)
        {
            Operands.Register<V>(s, (ushort)(Vector(n) + VexOperands.UpperHalf)) = default;
        }

        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ushort Vector(int n) => (ushort)(CpuState.VectorOffset + (n * CpuState.VectorStride));
}
