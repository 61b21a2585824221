using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>Integer operations on XMM registers, and on MMX registers where the form exists there too.</summary>
internal static unsafe class PackedInteger
{
    public static void Register(HandlerTable table)
    {
        Both<AddBytes>(table, Code.Paddb_xmm_xmmm128, Code.Paddb_mm_mmm64);
        Both<AddWords>(table, Code.Paddw_xmm_xmmm128, Code.Paddw_mm_mmm64);
        Both<AddDwords>(table, Code.Paddd_xmm_xmmm128, Code.Paddd_mm_mmm64);
        Both<AddQwords>(table, Code.Paddq_xmm_xmmm128, Code.Paddq_mm_mmm64);
        Both<SubtractBytes>(table, Code.Psubb_xmm_xmmm128, Code.Psubb_mm_mmm64);
        Both<SubtractWords>(table, Code.Psubw_xmm_xmmm128, Code.Psubw_mm_mmm64);
        Both<SubtractDwords>(table, Code.Psubd_xmm_xmmm128, Code.Psubd_mm_mmm64);
        Both<SubtractQwords>(table, Code.Psubq_xmm_xmmm128, Code.Psubq_mm_mmm64);
        Both<AddSignedBytesSaturated>(table, Code.Paddsb_xmm_xmmm128, Code.Paddsb_mm_mmm64);
        Both<AddSignedWordsSaturated>(table, Code.Paddsw_xmm_xmmm128, Code.Paddsw_mm_mmm64);
        Both<AddUnsignedBytesSaturated>(table, Code.Paddusb_xmm_xmmm128, Code.Paddusb_mm_mmm64);
        Both<AddUnsignedWordsSaturated>(table, Code.Paddusw_xmm_xmmm128, Code.Paddusw_mm_mmm64);
        Both<SubtractSignedBytesSaturated>(table, Code.Psubsb_xmm_xmmm128, Code.Psubsb_mm_mmm64);
        Both<SubtractSignedWordsSaturated>(table, Code.Psubsw_xmm_xmmm128, Code.Psubsw_mm_mmm64);
        Both<SubtractUnsignedBytesSaturated>(table, Code.Psubusb_xmm_xmmm128, Code.Psubusb_mm_mmm64);
        Both<SubtractUnsignedWordsSaturated>(table, Code.Psubusw_xmm_xmmm128, Code.Psubusw_mm_mmm64);
        Both<And>(table, Code.Pand_xmm_xmmm128, Code.Pand_mm_mmm64);
        Both<AndNot>(table, Code.Pandn_xmm_xmmm128, Code.Pandn_mm_mmm64);
        Both<Or>(table, Code.Por_xmm_xmmm128, Code.Por_mm_mmm64);
        Both<Xor>(table, Code.Pxor_xmm_xmmm128, Code.Pxor_mm_mmm64);
        Both<EqualBytes>(table, Code.Pcmpeqb_xmm_xmmm128, Code.Pcmpeqb_mm_mmm64);
        Both<EqualWords>(table, Code.Pcmpeqw_xmm_xmmm128, Code.Pcmpeqw_mm_mmm64);
        Both<EqualDwords>(table, Code.Pcmpeqd_xmm_xmmm128, Code.Pcmpeqd_mm_mmm64);
        Both<GreaterBytes>(table, Code.Pcmpgtb_xmm_xmmm128, Code.Pcmpgtb_mm_mmm64);
        Both<GreaterWords>(table, Code.Pcmpgtw_xmm_xmmm128, Code.Pcmpgtw_mm_mmm64);
        Both<GreaterDwords>(table, Code.Pcmpgtd_xmm_xmmm128, Code.Pcmpgtd_mm_mmm64);
        Both<MinimumUnsignedBytes>(table, Code.Pminub_xmm_xmmm128, Code.Pminub_mm_mmm64);
        Both<MaximumUnsignedBytes>(table, Code.Pmaxub_xmm_xmmm128, Code.Pmaxub_mm_mmm64);
        Both<MinimumSignedWords>(table, Code.Pminsw_xmm_xmmm128, Code.Pminsw_mm_mmm64);
        Both<MaximumSignedWords>(table, Code.Pmaxsw_xmm_xmmm128, Code.Pmaxsw_mm_mmm64);
        Both<MultiplyWordsLow>(table, Code.Pmullw_xmm_xmmm128, Code.Pmullw_mm_mmm64);
        Both<MultiplyWordsHigh>(table, Code.Pmulhw_xmm_xmmm128, Code.Pmulhw_mm_mmm64);
        Both<MultiplyUnsignedWordsHigh>(table, Code.Pmulhuw_xmm_xmmm128, Code.Pmulhuw_mm_mmm64);
        Both<MultiplyWordsRounded>(table, Code.Pmulhrsw_xmm_xmmm128, Code.Pmulhrsw_mm_mmm64);
        Both<MultiplyAddWords>(table, Code.Pmaddwd_xmm_xmmm128, Code.Pmaddwd_mm_mmm64);
        Both<MultiplyAddBytes>(table, Code.Pmaddubsw_xmm_xmmm128, Code.Pmaddubsw_mm_mmm64);
        Both<MultiplyUnsignedDwords>(table, Code.Pmuludq_xmm_xmmm128, Code.Pmuludq_mm_mmm64);
        Both<AverageBytes>(table, Code.Pavgb_xmm_xmmm128, Code.Pavgb_mm_mmm64);
        Both<AverageWords>(table, Code.Pavgw_xmm_xmmm128, Code.Pavgw_mm_mmm64);
        Both<SumOfAbsoluteDifferences>(table, Code.Psadbw_xmm_xmmm128, Code.Psadbw_mm_mmm64);
        Both<SignBytes>(table, Code.Psignb_xmm_xmmm128, Code.Psignb_mm_mmm64);
        Both<SignWords>(table, Code.Psignw_xmm_xmmm128, Code.Psignw_mm_mmm64);
        Both<SignDwords>(table, Code.Psignd_xmm_xmmm128, Code.Psignd_mm_mmm64);
        Both<ByCount<ShiftWordsLeft>>(table, Code.Psllw_xmm_xmmm128, Code.Psllw_mm_mmm64);
        Both<ByCount<ShiftDwordsLeft>>(table, Code.Pslld_xmm_xmmm128, Code.Pslld_mm_mmm64);
        Both<ByCount<ShiftQwordsLeft>>(table, Code.Psllq_xmm_xmmm128, Code.Psllq_mm_mmm64);
        Both<ByCount<ShiftWordsRight>>(table, Code.Psrlw_xmm_xmmm128, Code.Psrlw_mm_mmm64);
        Both<ByCount<ShiftDwordsRight>>(table, Code.Psrld_xmm_xmmm128, Code.Psrld_mm_mmm64);
        Both<ByCount<ShiftQwordsRight>>(table, Code.Psrlq_xmm_xmmm128, Code.Psrlq_mm_mmm64);
        Both<ByCount<ShiftWordsArithmetic>>(table, Code.Psraw_xmm_xmmm128, Code.Psraw_mm_mmm64);
        Both<ByCount<ShiftDwordsArithmetic>>(table, Code.Psrad_xmm_xmmm128, Code.Psrad_mm_mmm64);

        Shift<ShiftWordsLeft>(table, Code.Psllw_xmm_imm8, Code.Psllw_mm_imm8);
        Shift<ShiftDwordsLeft>(table, Code.Pslld_xmm_imm8, Code.Pslld_mm_imm8);
        Shift<ShiftQwordsLeft>(table, Code.Psllq_xmm_imm8, Code.Psllq_mm_imm8);
        Shift<ShiftWordsRight>(table, Code.Psrlw_xmm_imm8, Code.Psrlw_mm_imm8);
        Shift<ShiftDwordsRight>(table, Code.Psrld_xmm_imm8, Code.Psrld_mm_imm8);
        Shift<ShiftQwordsRight>(table, Code.Psrlq_xmm_imm8, Code.Psrlq_mm_imm8);
        Shift<ShiftWordsArithmetic>(table, Code.Psraw_xmm_imm8, Code.Psraw_mm_imm8);
        Shift<ShiftDwordsArithmetic>(table, Code.Psrad_xmm_imm8, Code.Psrad_mm_imm8);
        table.Set(Code.Pslldq_xmm_imm8, &ShiftByImmediate<ShiftBytesLeft>, null);
        table.Set(Code.Psrldq_xmm_imm8, &ShiftByImmediate<ShiftBytesRight>, null);

        RegisterWide(table);
    }

    /// <summary>Forms that only XMM registers have, or whose MMX form differs (<see cref="MmxSpecial"/>).</summary>
    private static void RegisterWide(HandlerTable table)
    {
        Wide<EqualQwords>(table, Code.Pcmpeqq_xmm_xmmm128);
        Wide<GreaterQwords>(table, Code.Pcmpgtq_xmm_xmmm128);
        Wide<MinimumSignedBytes>(table, Code.Pminsb_xmm_xmmm128);
        Wide<MaximumSignedBytes>(table, Code.Pmaxsb_xmm_xmmm128);
        Wide<MinimumUnsignedWords>(table, Code.Pminuw_xmm_xmmm128);
        Wide<MaximumUnsignedWords>(table, Code.Pmaxuw_xmm_xmmm128);
        Wide<MinimumSignedDwords>(table, Code.Pminsd_xmm_xmmm128);
        Wide<MaximumSignedDwords>(table, Code.Pmaxsd_xmm_xmmm128);
        Wide<MinimumUnsignedDwords>(table, Code.Pminud_xmm_xmmm128);
        Wide<MaximumUnsignedDwords>(table, Code.Pmaxud_xmm_xmmm128);
        Wide<MultiplyDwordsLow>(table, Code.Pmulld_xmm_xmmm128);
        Wide<MultiplySignedDwords>(table, Code.Pmuldq_xmm_xmmm128);
        Wide<PackUnsignedDwords>(table, Code.Packusdw_xmm_xmmm128);
        Wide<PackSignedWords>(table, Code.Packsswb_xmm_xmmm128);
        Wide<PackUnsignedWords>(table, Code.Packuswb_xmm_xmmm128);
        Wide<PackSignedDwords>(table, Code.Packssdw_xmm_xmmm128);
        Wide<UnpackLowBytes>(table, Code.Punpcklbw_xmm_xmmm128);
        Wide<UnpackLowWords>(table, Code.Punpcklwd_xmm_xmmm128);
        Wide<UnpackLowDwords>(table, Code.Punpckldq_xmm_xmmm128);
        Wide<UnpackLowQwords>(table, Code.Punpcklqdq_xmm_xmmm128);
        Wide<UnpackHighBytes>(table, Code.Punpckhbw_xmm_xmmm128);
        Wide<UnpackHighWords>(table, Code.Punpckhwd_xmm_xmmm128);
        Wide<UnpackHighDwords>(table, Code.Punpckhdq_xmm_xmmm128);
        Wide<UnpackHighQwords>(table, Code.Punpckhqdq_xmm_xmmm128);
        Wide<UnpackLowDwords>(table, Code.Unpcklps_xmm_xmmm128);
        Wide<UnpackHighDwords>(table, Code.Unpckhps_xmm_xmmm128);
        Wide<UnpackLowQwords>(table, Code.Unpcklpd_xmm_xmmm128);
        Wide<UnpackHighQwords>(table, Code.Unpckhpd_xmm_xmmm128);
        Wide<ShuffleBytes>(table, Code.Pshufb_xmm_xmmm128);
        Wide<HorizontalAddWords>(table, Code.Phaddw_xmm_xmmm128);
        Wide<HorizontalAddDwords>(table, Code.Phaddd_xmm_xmmm128);
        Wide<HorizontalAddWordsSaturated>(table, Code.Phaddsw_xmm_xmmm128);
        Wide<HorizontalSubtractWords>(table, Code.Phsubw_xmm_xmmm128);
        Wide<HorizontalSubtractDwords>(table, Code.Phsubd_xmm_xmmm128);
        Wide<HorizontalSubtractWordsSaturated>(table, Code.Phsubsw_xmm_xmmm128);
        Wide<And>(table, Code.Andps_xmm_xmmm128);
        Wide<And>(table, Code.Andpd_xmm_xmmm128);
        Wide<AndNot>(table, Code.Andnps_xmm_xmmm128);
        Wide<AndNot>(table, Code.Andnpd_xmm_xmmm128);
        Wide<Or>(table, Code.Orps_xmm_xmmm128);
        Wide<Or>(table, Code.Orpd_xmm_xmmm128);
        Wide<Xor>(table, Code.Xorps_xmm_xmmm128);
        Wide<Xor>(table, Code.Xorpd_xmm_xmmm128);

        Immediate<ShuffleDwords>(table, Code.Pshufd_xmm_xmmm128_imm8);
        Immediate<ShuffleHighWords>(table, Code.Pshufhw_xmm_xmmm128_imm8);
        Immediate<ShuffleLowWords>(table, Code.Pshuflw_xmm_xmmm128_imm8);
        Immediate<ShuffleSingles>(table, Code.Shufps_xmm_xmmm128_imm8);
        Immediate<ShuffleDoubles>(table, Code.Shufpd_xmm_xmmm128_imm8);
        Immediate<AlignRight>(table, Code.Palignr_xmm_xmmm128_imm8);
        Immediate<BlendWords>(table, Code.Pblendw_xmm_xmmm128_imm8);
        Immediate<BlendSingles>(table, Code.Blendps_xmm_xmmm128_imm8);
        Immediate<BlendDoubles>(table, Code.Blendpd_xmm_xmmm128_imm8);
        Immediate<MultipleSumsOfAbsoluteDifferences>(table, Code.Mpsadbw_xmm_xmmm128_imm8);
        Immediate<CarrylessMultiply>(table, Code.Pclmulqdq_xmm_xmmm128_imm8);

        Unary<AbsoluteBytes>(table, Code.Pabsb_xmm_xmmm128);
        Unary<AbsoluteWords>(table, Code.Pabsw_xmm_xmmm128);
        Unary<AbsoluteDwords>(table, Code.Pabsd_xmm_xmmm128);
        MmxInstruction.SetUnary<AbsoluteBytes>(table, Code.Pabsb_mm_mmm64);
        MmxInstruction.SetUnary<AbsoluteWords>(table, Code.Pabsw_mm_mmm64);
        MmxInstruction.SetUnary<AbsoluteDwords>(table, Code.Pabsd_mm_mmm64);
        Unary<HorizontalMinimum>(table, Code.Phminposuw_xmm_xmmm128);
        Unary<DuplicateEvenSingles>(table, Code.Movsldup_xmm_xmmm128);
        Unary<DuplicateOddSingles>(table, Code.Movshdup_xmm_xmmm128);
        Narrow<DuplicateLowDouble, ulong>(table, Code.Movddup_xmm_xmmm64);
        Narrow<SignExtendBytesToWords, ulong>(table, Code.Pmovsxbw_xmm_xmmm64);
        Narrow<SignExtendBytesToDwords, uint>(table, Code.Pmovsxbd_xmm_xmmm32);
        Narrow<SignExtendBytesToQwords, ushort>(table, Code.Pmovsxbq_xmm_xmmm16);
        Narrow<SignExtendWordsToDwords, ulong>(table, Code.Pmovsxwd_xmm_xmmm64);
        Narrow<SignExtendWordsToQwords, uint>(table, Code.Pmovsxwq_xmm_xmmm32);
        Narrow<SignExtendDwordsToQwords, ulong>(table, Code.Pmovsxdq_xmm_xmmm64);
        Narrow<ZeroExtendBytesToWords, ulong>(table, Code.Pmovzxbw_xmm_xmmm64);
        Narrow<ZeroExtendBytesToDwords, uint>(table, Code.Pmovzxbd_xmm_xmmm32);
        Narrow<ZeroExtendBytesToQwords, ushort>(table, Code.Pmovzxbq_xmm_xmmm16);
        Narrow<ZeroExtendWordsToDwords, ulong>(table, Code.Pmovzxwd_xmm_xmmm64);
        Narrow<ZeroExtendWordsToQwords, uint>(table, Code.Pmovzxwq_xmm_xmmm32);
        Narrow<ZeroExtendDwordsToQwords, ulong>(table, Code.Pmovzxdq_xmm_xmmm64);
    }

    private static void Both<T>(HandlerTable table, Code xmm, Code mmx) where T : struct, IVectorBinary
    {
        Wide<T>(table, xmm);
        MmxInstruction.SetBinary<T>(table, mmx);
    }

    private static void Wide<T>(HandlerTable table, Code code) where T : struct, IVectorBinary =>
        table.Set(code, &VectorInstruction.BinaryRegister<T>, &VectorInstruction.BinaryMemory<T>);

    private static void Unary<T>(HandlerTable table, Code code) where T : struct, IVectorUnary =>
        table.Set(code, &VectorInstruction.UnaryRegister<T>, &VectorInstruction.UnaryMemory<T>);

    private static void Narrow<T, TMemory>(HandlerTable table, Code code)
        where T : struct, IVectorUnary
        where TMemory : unmanaged =>
        table.Set(code, &VectorInstruction.UnaryRegister<T>, &VectorInstruction.UnaryNarrowMemory<T, TMemory>);

    private static void Immediate<T>(HandlerTable table, Code code) where T : struct, IVectorBinaryImmediate =>
        table.Set(code, &VectorInstruction.ImmediateRegister<T>, &VectorInstruction.ImmediateMemory<T>);

    private static void Shift<T>(HandlerTable table, Code xmm, Code mmx) where T : struct, IVectorShift
    {
        table.Set(xmm, &ShiftByImmediate<T>, null);
        table.Set(mmx, &MmxInstruction.ShiftByImmediate<T>, null);
    }

    private static Outcome ShiftByImmediate<T>(CpuState* s, Instruction* i) where T : struct, IVectorShift
    {
        ref Vector128<byte> value = ref Operands.Register<Vector128<byte>>(s, i->Destination);
        value = T.Apply(value, (byte)i->Immediate);
        return Outcome.Next;
    }
}
