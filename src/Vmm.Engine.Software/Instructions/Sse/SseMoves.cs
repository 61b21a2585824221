using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>Moves of vector registers, whole and in part (SDM Vol. 1 10.4.1, 11.4.1).</summary>
internal static unsafe class SseMoves
{
    public static void Register(HandlerTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Movaps_xmm_xmmm128, Code.Movapd_xmm_xmmm128, Code.Movdqa_xmm_xmmm128])
        {
            table.Set(code, &CopyRegister, &LoadWholeAligned);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Movups_xmm_xmmm128, Code.Movupd_xmm_xmmm128, Code.Movdqu_xmm_xmmm128, Code.Lddqu_xmm_m128])
        {
            table.Set(code, &CopyRegister, &LoadWhole);
        }

        table.Set(Code.Movntdqa_xmm_m128, null, &LoadWholeAligned);
        foreach (Code code in (ReadOnlySpan<Code>)
            [Code.Movaps_xmmm128_xmm, Code.Movapd_xmmm128_xmm, Code.Movdqa_xmmm128_xmm])
        {
            table.Set(code, &CopyRegister, &StoreWholeAligned);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Movntps_m128_xmm, Code.Movntpd_m128_xmm, Code.Movntdq_m128_xmm])
        {
            table.Set(code, null, &StoreWholeAligned);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Movups_xmmm128_xmm, Code.Movupd_xmmm128_xmm, Code.Movdqu_xmmm128_xmm])
        {
            table.Set(code, &CopyRegister, &StoreWhole);
        }

        table.Set(Code.Movss_xmm_xmmm32, &CopyLow<uint>, &LoadLow<uint>);
        table.Set(Code.Movsd_xmm_xmmm64, &CopyLow<ulong>, &LoadLow<ulong>);
        table.Set(Code.Movss_xmmm32_xmm, &CopyLow<uint>, &StoreLow<uint>);
        table.Set(Code.Movsd_xmmm64_xmm, &CopyLow<ulong>, &StoreLow<ulong>);
        table.Set(Code.Movq_xmm_xmmm64, &CopyLowClearing<ulong>, &LoadLow<ulong>);
        table.Set(Code.Movq_xmmm64_xmm, &CopyLowClearing<ulong>, &StoreLow<ulong>);
        table.Set(Code.Movd_xmm_rm32, &CopyLowClearing<uint>, &LoadLow<uint>);
        table.Set(Code.Movq_xmm_rm64, &CopyLowClearing<ulong>, &LoadLow<ulong>);
        table.Set(Code.Movd_rm32_xmm, &CopyToGeneral<uint>, &StoreLow<uint>);
        table.Set(Code.Movq_rm64_xmm, &CopyToGeneral<ulong>, &StoreLow<ulong>);

        table.Set(Code.Movlps_xmm_m64, null, &LoadHalfLow);
        table.Set(Code.Movlpd_xmm_m64, null, &LoadHalfLow);
        table.Set(Code.Movhps_xmm_m64, null, &LoadHalfHigh);
        table.Set(Code.Movhpd_xmm_m64, null, &LoadHalfHigh);
        table.Set(Code.Movlps_m64_xmm, null, &StoreLow<ulong>);
        table.Set(Code.Movlpd_m64_xmm, null, &StoreLow<ulong>);
        table.Set(Code.Movhps_m64_xmm, null, &StoreHalfHigh);
        table.Set(Code.Movhpd_m64_xmm, null, &StoreHalfHigh);
        table.Set(Code.Movhlps_xmm_xmm, &HighToLow, null);
        table.Set(Code.Movlhps_xmm_xmm, &LowToHigh, null);

        table.Set(Code.Movmskps_r32_xmm, &MaskSingles, null);
        table.Set(Code.Movmskps_r64_xmm, &MaskSingles, null);
        table.Set(Code.Movmskpd_r32_xmm, &MaskDoubles, null);
        table.Set(Code.Movmskpd_r64_xmm, &MaskDoubles, null);
        table.Set(Code.Pmovmskb_r32_xmm, &MaskBytes, null);
        table.Set(Code.Pmovmskb_r64_xmm, &MaskBytes, null);
        table.Set(Code.Maskmovdqu_rDI_xmm_xmm, &StoreMasked, null);
        RegisterVex(table);
    }

    /// <summary>VEX forms of 128 bits that write no vector register: they do the same.</summary>
    private static void RegisterVex(HandlerTable table)
    {
        table.Set(Code.VEX_Vmovss_m32_xmm, null, &StoreLow<uint>);
        table.Set(Code.VEX_Vmovsd_m64_xmm, null, &StoreLow<ulong>);
        table.Set(Code.VEX_Vmovq_xmmm64_xmm, null, &StoreLow<ulong>);
        table.Set(Code.VEX_Vmovd_rm32_xmm, &CopyToGeneral<uint>, &StoreLow<uint>);
        table.Set(Code.VEX_Vmovq_rm64_xmm, &CopyToGeneral<ulong>, &StoreLow<ulong>);
        table.Set(Code.VEX_Vmovlps_m64_xmm, null, &StoreLow<ulong>);
        table.Set(Code.VEX_Vmovlpd_m64_xmm, null, &StoreLow<ulong>);
        table.Set(Code.VEX_Vmovhps_m64_xmm, null, &StoreHalfHigh);
        table.Set(Code.VEX_Vmovhpd_m64_xmm, null, &StoreHalfHigh);
        table.Set(Code.VEX_Vmovmskps_r32_xmm, &MaskSingles, null);
        table.Set(Code.VEX_Vmovmskps_r64_xmm, &MaskSingles, null);
        table.Set(Code.VEX_Vmovmskpd_r32_xmm, &MaskDoubles, null);
        table.Set(Code.VEX_Vmovmskpd_r64_xmm, &MaskDoubles, null);
        table.Set(Code.VEX_Vpmovmskb_r32_xmm, &MaskBytes, null);
        table.Set(Code.VEX_Vpmovmskb_r64_xmm, &MaskBytes, null);
        table.Set(Code.VEX_Vmaskmovdqu_rDI_xmm_xmm, &StoreMasked, null);
    }

    private static ref Vector128<byte> Destination(CpuState* s, Instruction* i) => ref Operands.Register<Vector128<byte>>(s, i->Destination);

    private static ref Vector128<byte> Source(CpuState* s, Instruction* i) => ref Operands.Register<Vector128<byte>>(s, i->Source);

    private static Outcome CopyRegister(CpuState* s, Instruction* i)
    {
        Destination(s, i) = Source(s, i);
        return Outcome.Next;
    }

    private static Outcome LoadWhole(CpuState* s, Instruction* i)
    {
        if (!Operands.LoadOperand(s, i, out Vector128<byte> value))
        {
            return SlowAccess.Failure(s);
        }

        Destination(s, i) = value;
        return Outcome.Next;
    }

    private static Outcome LoadWholeAligned(CpuState* s, Instruction* i)
    {
        if (!VectorInstruction.LoadAligned(s, i, out Vector128<byte> value))
        {
            return SlowAccess.Failure(s);
        }

        Destination(s, i) = value;
        return Outcome.Next;
    }

    private static Outcome StoreWhole(CpuState* s, Instruction* i) =>
        Operands.StoreOperand(s, i, Source(s, i)) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome StoreWholeAligned(CpuState* s, Instruction* i) =>
        VectorInstruction.StoreAligned(s, i, Source(s, i)) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome CopyLow<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        Operands.Register<T>(s, i->Destination) = Operands.Register<T>(s, i->Source);
        return Outcome.Next;
    }

    private static Outcome CopyLowClearing<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        Destination(s, i) = Vector128.CreateScalar(Operands.Register<T>(s, i->Source)).AsByte();
        return Outcome.Next;
    }

    private static Outcome CopyToGeneral<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        Operands.WriteRegister(s, i->Destination, Operands.Register<T>(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome LoadLow<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operands.LoadOperand(s, i, out T value))
        {
            return SlowAccess.Failure(s);
        }

        Destination(s, i) = Vector128.CreateScalar(value).AsByte();
        return Outcome.Next;
    }

    private static Outcome StoreLow<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Operands.StoreOperand(s, i, Operands.Register<T>(s, i->Source)) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome LoadHalfLow(CpuState* s, Instruction* i) => LoadHalf(s, i, 0);

    private static Outcome LoadHalfHigh(CpuState* s, Instruction* i) => LoadHalf(s, i, 8);

    private static Outcome LoadHalf(CpuState* s, Instruction* i, int half)
    {
        if (!Operands.LoadOperand(s, i, out ulong value))
        {
            return SlowAccess.Failure(s);
        }

        Operands.Register<ulong>(s, (ushort)(i->Destination + half)) = value;
        return Outcome.Next;
    }

    private static Outcome StoreHalfHigh(CpuState* s, Instruction* i) =>
        Operands.StoreOperand(s, i, Operands.Register<ulong>(s, (ushort)(i->Source + 8))) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome HighToLow(CpuState* s, Instruction* i)
    {
        Operands.Register<ulong>(s, i->Destination) = Operands.Register<ulong>(s, (ushort)(i->Source + 8));
        return Outcome.Next;
    }

    private static Outcome LowToHigh(CpuState* s, Instruction* i)
    {
        Operands.Register<ulong>(s, (ushort)(i->Destination + 8)) = Operands.Register<ulong>(s, i->Source);
        return Outcome.Next;
    }

    private static Outcome MaskSingles(CpuState* s, Instruction* i)
    {
        Operands.WriteRegister(s, i->Destination, Source(s, i).AsSingle().ExtractMostSignificantBits());
        return Outcome.Next;
    }

    private static Outcome MaskDoubles(CpuState* s, Instruction* i)
    {
        Operands.WriteRegister(s, i->Destination, Source(s, i).AsDouble().ExtractMostSignificantBits());
        return Outcome.Next;
    }

    private static Outcome MaskBytes(CpuState* s, Instruction* i)
    {
        Operands.WriteRegister(s, i->Destination, Source(s, i).ExtractMostSignificantBits());
        return Outcome.Next;
    }

    /// <summary>MASKMOVDQU: bytes whose mask has bit 7 set go to DS:rDI. Unselected bytes are not accessed.</summary>
    private static Outcome StoreMasked(CpuState* s, Instruction* i)
    {
        uint mask = Operands.Register<Vector128<byte>>(s, i->Source2).ExtractMostSignificantBits();
        return MaskedStore.Bytes(s, i, Source(s, i), mask, 16);
    }
}
