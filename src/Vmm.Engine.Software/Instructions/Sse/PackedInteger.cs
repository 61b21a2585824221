using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions.Avx;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>Integer operations on XMM registers, on MMX registers where the form exists there too, and in VEX forms.</summary>
internal static unsafe class PackedInteger
{
    public static void Register(HandlerTable table)
    {
        Both<AddBytes>(table, Code.Paddb_xmm_xmmm128, Code.Paddb_mm_mmm64, Code.VEX_Vpaddb_xmm_xmm_xmmm128);
        Both<AddWords>(table, Code.Paddw_xmm_xmmm128, Code.Paddw_mm_mmm64, Code.VEX_Vpaddw_xmm_xmm_xmmm128);
        Both<AddDwords>(table, Code.Paddd_xmm_xmmm128, Code.Paddd_mm_mmm64, Code.VEX_Vpaddd_xmm_xmm_xmmm128);
        Both<AddQwords>(table, Code.Paddq_xmm_xmmm128, Code.Paddq_mm_mmm64, Code.VEX_Vpaddq_xmm_xmm_xmmm128);
        Both<SubtractBytes>(table, Code.Psubb_xmm_xmmm128, Code.Psubb_mm_mmm64, Code.VEX_Vpsubb_xmm_xmm_xmmm128);
        Both<SubtractWords>(table, Code.Psubw_xmm_xmmm128, Code.Psubw_mm_mmm64, Code.VEX_Vpsubw_xmm_xmm_xmmm128);
        Both<SubtractDwords>(table, Code.Psubd_xmm_xmmm128, Code.Psubd_mm_mmm64, Code.VEX_Vpsubd_xmm_xmm_xmmm128);
        Both<SubtractQwords>(table, Code.Psubq_xmm_xmmm128, Code.Psubq_mm_mmm64, Code.VEX_Vpsubq_xmm_xmm_xmmm128);
        Both<AddSignedBytesSaturated>(table, Code.Paddsb_xmm_xmmm128, Code.Paddsb_mm_mmm64, Code.VEX_Vpaddsb_xmm_xmm_xmmm128);
        Both<AddSignedWordsSaturated>(table, Code.Paddsw_xmm_xmmm128, Code.Paddsw_mm_mmm64, Code.VEX_Vpaddsw_xmm_xmm_xmmm128);
        Both<AddUnsignedBytesSaturated>(table, Code.Paddusb_xmm_xmmm128, Code.Paddusb_mm_mmm64, Code.VEX_Vpaddusb_xmm_xmm_xmmm128);
        Both<AddUnsignedWordsSaturated>(table, Code.Paddusw_xmm_xmmm128, Code.Paddusw_mm_mmm64, Code.VEX_Vpaddusw_xmm_xmm_xmmm128);
        Both<SubtractSignedBytesSaturated>(table, Code.Psubsb_xmm_xmmm128, Code.Psubsb_mm_mmm64, Code.VEX_Vpsubsb_xmm_xmm_xmmm128);
        Both<SubtractSignedWordsSaturated>(table, Code.Psubsw_xmm_xmmm128, Code.Psubsw_mm_mmm64, Code.VEX_Vpsubsw_xmm_xmm_xmmm128);
        Both<SubtractUnsignedBytesSaturated>(table, Code.Psubusb_xmm_xmmm128, Code.Psubusb_mm_mmm64, Code.VEX_Vpsubusb_xmm_xmm_xmmm128);
        Both<SubtractUnsignedWordsSaturated>(table, Code.Psubusw_xmm_xmmm128, Code.Psubusw_mm_mmm64, Code.VEX_Vpsubusw_xmm_xmm_xmmm128);
        Both<And>(table, Code.Pand_xmm_xmmm128, Code.Pand_mm_mmm64, Code.VEX_Vpand_xmm_xmm_xmmm128);
        Both<AndNot>(table, Code.Pandn_xmm_xmmm128, Code.Pandn_mm_mmm64, Code.VEX_Vpandn_xmm_xmm_xmmm128);
        Both<Or>(table, Code.Por_xmm_xmmm128, Code.Por_mm_mmm64, Code.VEX_Vpor_xmm_xmm_xmmm128);
        Both<Xor>(table, Code.Pxor_xmm_xmmm128, Code.Pxor_mm_mmm64, Code.VEX_Vpxor_xmm_xmm_xmmm128);
        Both<EqualBytes>(table, Code.Pcmpeqb_xmm_xmmm128, Code.Pcmpeqb_mm_mmm64, Code.VEX_Vpcmpeqb_xmm_xmm_xmmm128);
        Both<EqualWords>(table, Code.Pcmpeqw_xmm_xmmm128, Code.Pcmpeqw_mm_mmm64, Code.VEX_Vpcmpeqw_xmm_xmm_xmmm128);
        Both<EqualDwords>(table, Code.Pcmpeqd_xmm_xmmm128, Code.Pcmpeqd_mm_mmm64, Code.VEX_Vpcmpeqd_xmm_xmm_xmmm128);
        Both<GreaterBytes>(table, Code.Pcmpgtb_xmm_xmmm128, Code.Pcmpgtb_mm_mmm64, Code.VEX_Vpcmpgtb_xmm_xmm_xmmm128);
        Both<GreaterWords>(table, Code.Pcmpgtw_xmm_xmmm128, Code.Pcmpgtw_mm_mmm64, Code.VEX_Vpcmpgtw_xmm_xmm_xmmm128);
        Both<GreaterDwords>(table, Code.Pcmpgtd_xmm_xmmm128, Code.Pcmpgtd_mm_mmm64, Code.VEX_Vpcmpgtd_xmm_xmm_xmmm128);
        Both<MinimumUnsignedBytes>(table, Code.Pminub_xmm_xmmm128, Code.Pminub_mm_mmm64, Code.VEX_Vpminub_xmm_xmm_xmmm128);
        Both<MaximumUnsignedBytes>(table, Code.Pmaxub_xmm_xmmm128, Code.Pmaxub_mm_mmm64, Code.VEX_Vpmaxub_xmm_xmm_xmmm128);
        Both<MinimumSignedWords>(table, Code.Pminsw_xmm_xmmm128, Code.Pminsw_mm_mmm64, Code.VEX_Vpminsw_xmm_xmm_xmmm128);
        Both<MaximumSignedWords>(table, Code.Pmaxsw_xmm_xmmm128, Code.Pmaxsw_mm_mmm64, Code.VEX_Vpmaxsw_xmm_xmm_xmmm128);
        Both<MultiplyWordsLow>(table, Code.Pmullw_xmm_xmmm128, Code.Pmullw_mm_mmm64, Code.VEX_Vpmullw_xmm_xmm_xmmm128);
        Both<MultiplyWordsHigh>(table, Code.Pmulhw_xmm_xmmm128, Code.Pmulhw_mm_mmm64, Code.VEX_Vpmulhw_xmm_xmm_xmmm128);
        Both<MultiplyUnsignedWordsHigh>(table, Code.Pmulhuw_xmm_xmmm128, Code.Pmulhuw_mm_mmm64, Code.VEX_Vpmulhuw_xmm_xmm_xmmm128);
        Both<MultiplyWordsRounded>(table, Code.Pmulhrsw_xmm_xmmm128, Code.Pmulhrsw_mm_mmm64, Code.VEX_Vpmulhrsw_xmm_xmm_xmmm128);
        Both<MultiplyAddWords>(table, Code.Pmaddwd_xmm_xmmm128, Code.Pmaddwd_mm_mmm64, Code.VEX_Vpmaddwd_xmm_xmm_xmmm128);
        Both<MultiplyAddBytes>(table, Code.Pmaddubsw_xmm_xmmm128, Code.Pmaddubsw_mm_mmm64, Code.VEX_Vpmaddubsw_xmm_xmm_xmmm128);
        Both<MultiplyUnsignedDwords>(table, Code.Pmuludq_xmm_xmmm128, Code.Pmuludq_mm_mmm64, Code.VEX_Vpmuludq_xmm_xmm_xmmm128);
        Both<AverageBytes>(table, Code.Pavgb_xmm_xmmm128, Code.Pavgb_mm_mmm64, Code.VEX_Vpavgb_xmm_xmm_xmmm128);
        Both<AverageWords>(table, Code.Pavgw_xmm_xmmm128, Code.Pavgw_mm_mmm64, Code.VEX_Vpavgw_xmm_xmm_xmmm128);
        Both<SumOfAbsoluteDifferences>(table, Code.Psadbw_xmm_xmmm128, Code.Psadbw_mm_mmm64, Code.VEX_Vpsadbw_xmm_xmm_xmmm128);
        Both<SignBytes>(table, Code.Psignb_xmm_xmmm128, Code.Psignb_mm_mmm64, Code.VEX_Vpsignb_xmm_xmm_xmmm128);
        Both<SignWords>(table, Code.Psignw_xmm_xmmm128, Code.Psignw_mm_mmm64, Code.VEX_Vpsignw_xmm_xmm_xmmm128);
        Both<SignDwords>(table, Code.Psignd_xmm_xmmm128, Code.Psignd_mm_mmm64, Code.VEX_Vpsignd_xmm_xmm_xmmm128);
        ShiftByCount<ShiftWordsLeft>(table, Code.Psllw_xmm_xmmm128, Code.Psllw_mm_mmm64, Code.VEX_Vpsllw_xmm_xmm_xmmm128);
        ShiftByCount<ShiftDwordsLeft>(table, Code.Pslld_xmm_xmmm128, Code.Pslld_mm_mmm64, Code.VEX_Vpslld_xmm_xmm_xmmm128);
        ShiftByCount<ShiftQwordsLeft>(table, Code.Psllq_xmm_xmmm128, Code.Psllq_mm_mmm64, Code.VEX_Vpsllq_xmm_xmm_xmmm128);
        ShiftByCount<ShiftWordsRight>(table, Code.Psrlw_xmm_xmmm128, Code.Psrlw_mm_mmm64, Code.VEX_Vpsrlw_xmm_xmm_xmmm128);
        ShiftByCount<ShiftDwordsRight>(table, Code.Psrld_xmm_xmmm128, Code.Psrld_mm_mmm64, Code.VEX_Vpsrld_xmm_xmm_xmmm128);
        ShiftByCount<ShiftQwordsRight>(table, Code.Psrlq_xmm_xmmm128, Code.Psrlq_mm_mmm64, Code.VEX_Vpsrlq_xmm_xmm_xmmm128);
        ShiftByCount<ShiftWordsArithmetic>(table, Code.Psraw_xmm_xmmm128, Code.Psraw_mm_mmm64, Code.VEX_Vpsraw_xmm_xmm_xmmm128);
        ShiftByCount<ShiftDwordsArithmetic>(table, Code.Psrad_xmm_xmmm128, Code.Psrad_mm_mmm64, Code.VEX_Vpsrad_xmm_xmm_xmmm128);

        Shift<ShiftWordsLeft>(table, Code.Psllw_xmm_imm8, Code.Psllw_mm_imm8, Code.VEX_Vpsllw_xmm_xmm_imm8);
        Shift<ShiftDwordsLeft>(table, Code.Pslld_xmm_imm8, Code.Pslld_mm_imm8, Code.VEX_Vpslld_xmm_xmm_imm8);
        Shift<ShiftQwordsLeft>(table, Code.Psllq_xmm_imm8, Code.Psllq_mm_imm8, Code.VEX_Vpsllq_xmm_xmm_imm8);
        Shift<ShiftWordsRight>(table, Code.Psrlw_xmm_imm8, Code.Psrlw_mm_imm8, Code.VEX_Vpsrlw_xmm_xmm_imm8);
        Shift<ShiftDwordsRight>(table, Code.Psrld_xmm_imm8, Code.Psrld_mm_imm8, Code.VEX_Vpsrld_xmm_xmm_imm8);
        Shift<ShiftQwordsRight>(table, Code.Psrlq_xmm_imm8, Code.Psrlq_mm_imm8, Code.VEX_Vpsrlq_xmm_xmm_imm8);
        Shift<ShiftWordsArithmetic>(table, Code.Psraw_xmm_imm8, Code.Psraw_mm_imm8, Code.VEX_Vpsraw_xmm_xmm_imm8);
        Shift<ShiftDwordsArithmetic>(table, Code.Psrad_xmm_imm8, Code.Psrad_mm_imm8, Code.VEX_Vpsrad_xmm_xmm_imm8);
        table.Set(Code.Pslldq_xmm_imm8, &ShiftByImmediate<ShiftBytesLeft>, null);
        VexForms.Shift<ShiftBytesLeft>(table, Code.VEX_Vpslldq_xmm_xmm_imm8);
        table.Set(Code.Psrldq_xmm_imm8, &ShiftByImmediate<ShiftBytesRight>, null);
        VexForms.Shift<ShiftBytesRight>(table, Code.VEX_Vpsrldq_xmm_xmm_imm8);

        RegisterWide(table);
    }

    /// <summary>Forms that only XMM registers have, or whose MMX form differs (<see cref="MmxSpecial"/>).</summary>
    private static void RegisterWide(HandlerTable table)
    {
        Wide<EqualQwords>(table, Code.Pcmpeqq_xmm_xmmm128, Code.VEX_Vpcmpeqq_xmm_xmm_xmmm128);
        Wide<GreaterQwords>(table, Code.Pcmpgtq_xmm_xmmm128, Code.VEX_Vpcmpgtq_xmm_xmm_xmmm128);
        Wide<MinimumSignedBytes>(table, Code.Pminsb_xmm_xmmm128, Code.VEX_Vpminsb_xmm_xmm_xmmm128);
        Wide<MaximumSignedBytes>(table, Code.Pmaxsb_xmm_xmmm128, Code.VEX_Vpmaxsb_xmm_xmm_xmmm128);
        Wide<MinimumUnsignedWords>(table, Code.Pminuw_xmm_xmmm128, Code.VEX_Vpminuw_xmm_xmm_xmmm128);
        Wide<MaximumUnsignedWords>(table, Code.Pmaxuw_xmm_xmmm128, Code.VEX_Vpmaxuw_xmm_xmm_xmmm128);
        Wide<MinimumSignedDwords>(table, Code.Pminsd_xmm_xmmm128, Code.VEX_Vpminsd_xmm_xmm_xmmm128);
        Wide<MaximumSignedDwords>(table, Code.Pmaxsd_xmm_xmmm128, Code.VEX_Vpmaxsd_xmm_xmm_xmmm128);
        Wide<MinimumUnsignedDwords>(table, Code.Pminud_xmm_xmmm128, Code.VEX_Vpminud_xmm_xmm_xmmm128);
        Wide<MaximumUnsignedDwords>(table, Code.Pmaxud_xmm_xmmm128, Code.VEX_Vpmaxud_xmm_xmm_xmmm128);
        Wide<MultiplyDwordsLow>(table, Code.Pmulld_xmm_xmmm128, Code.VEX_Vpmulld_xmm_xmm_xmmm128);
        Wide<MultiplySignedDwords>(table, Code.Pmuldq_xmm_xmmm128, Code.VEX_Vpmuldq_xmm_xmm_xmmm128);
        Wide<PackUnsignedDwords>(table, Code.Packusdw_xmm_xmmm128, Code.VEX_Vpackusdw_xmm_xmm_xmmm128);
        Wide<PackSignedWords>(table, Code.Packsswb_xmm_xmmm128, Code.VEX_Vpacksswb_xmm_xmm_xmmm128);
        Wide<PackUnsignedWords>(table, Code.Packuswb_xmm_xmmm128, Code.VEX_Vpackuswb_xmm_xmm_xmmm128);
        Wide<PackSignedDwords>(table, Code.Packssdw_xmm_xmmm128, Code.VEX_Vpackssdw_xmm_xmm_xmmm128);
        Wide<UnpackLowBytes>(table, Code.Punpcklbw_xmm_xmmm128, Code.VEX_Vpunpcklbw_xmm_xmm_xmmm128);
        Wide<UnpackLowWords>(table, Code.Punpcklwd_xmm_xmmm128, Code.VEX_Vpunpcklwd_xmm_xmm_xmmm128);
        Wide<UnpackLowDwords>(table, Code.Punpckldq_xmm_xmmm128, Code.VEX_Vpunpckldq_xmm_xmm_xmmm128);
        Wide<UnpackLowQwords>(table, Code.Punpcklqdq_xmm_xmmm128, Code.VEX_Vpunpcklqdq_xmm_xmm_xmmm128);
        Wide<UnpackHighBytes>(table, Code.Punpckhbw_xmm_xmmm128, Code.VEX_Vpunpckhbw_xmm_xmm_xmmm128);
        Wide<UnpackHighWords>(table, Code.Punpckhwd_xmm_xmmm128, Code.VEX_Vpunpckhwd_xmm_xmm_xmmm128);
        Wide<UnpackHighDwords>(table, Code.Punpckhdq_xmm_xmmm128, Code.VEX_Vpunpckhdq_xmm_xmm_xmmm128);
        Wide<UnpackHighQwords>(table, Code.Punpckhqdq_xmm_xmmm128, Code.VEX_Vpunpckhqdq_xmm_xmm_xmmm128);
        Wide<UnpackLowDwords>(table, Code.Unpcklps_xmm_xmmm128, Code.VEX_Vunpcklps_xmm_xmm_xmmm128);
        Wide<UnpackHighDwords>(table, Code.Unpckhps_xmm_xmmm128, Code.VEX_Vunpckhps_xmm_xmm_xmmm128);
        Wide<UnpackLowQwords>(table, Code.Unpcklpd_xmm_xmmm128, Code.VEX_Vunpcklpd_xmm_xmm_xmmm128);
        Wide<UnpackHighQwords>(table, Code.Unpckhpd_xmm_xmmm128, Code.VEX_Vunpckhpd_xmm_xmm_xmmm128);
        Wide<ShuffleBytes>(table, Code.Pshufb_xmm_xmmm128, Code.VEX_Vpshufb_xmm_xmm_xmmm128);
        Wide<HorizontalAddWords>(table, Code.Phaddw_xmm_xmmm128, Code.VEX_Vphaddw_xmm_xmm_xmmm128);
        Wide<HorizontalAddDwords>(table, Code.Phaddd_xmm_xmmm128, Code.VEX_Vphaddd_xmm_xmm_xmmm128);
        Wide<HorizontalAddWordsSaturated>(table, Code.Phaddsw_xmm_xmmm128, Code.VEX_Vphaddsw_xmm_xmm_xmmm128);
        Wide<HorizontalSubtractWords>(table, Code.Phsubw_xmm_xmmm128, Code.VEX_Vphsubw_xmm_xmm_xmmm128);
        Wide<HorizontalSubtractDwords>(table, Code.Phsubd_xmm_xmmm128, Code.VEX_Vphsubd_xmm_xmm_xmmm128);
        Wide<HorizontalSubtractWordsSaturated>(table, Code.Phsubsw_xmm_xmmm128, Code.VEX_Vphsubsw_xmm_xmm_xmmm128);
        Wide<And>(table, Code.Andps_xmm_xmmm128, Code.VEX_Vandps_xmm_xmm_xmmm128);
        Wide<And>(table, Code.Andpd_xmm_xmmm128, Code.VEX_Vandpd_xmm_xmm_xmmm128);
        Wide<AndNot>(table, Code.Andnps_xmm_xmmm128, Code.VEX_Vandnps_xmm_xmm_xmmm128);
        Wide<AndNot>(table, Code.Andnpd_xmm_xmmm128, Code.VEX_Vandnpd_xmm_xmm_xmmm128);
        Wide<Or>(table, Code.Orps_xmm_xmmm128, Code.VEX_Vorps_xmm_xmm_xmmm128);
        Wide<Or>(table, Code.Orpd_xmm_xmmm128, Code.VEX_Vorpd_xmm_xmm_xmmm128);
        Wide<Xor>(table, Code.Xorps_xmm_xmmm128, Code.VEX_Vxorps_xmm_xmm_xmmm128);
        Wide<Xor>(table, Code.Xorpd_xmm_xmmm128, Code.VEX_Vxorpd_xmm_xmm_xmmm128);

        Shuffle<ShuffleDwords>(table, Code.Pshufd_xmm_xmmm128_imm8, Code.VEX_Vpshufd_xmm_xmmm128_imm8);
        Shuffle<ShuffleHighWords>(table, Code.Pshufhw_xmm_xmmm128_imm8, Code.VEX_Vpshufhw_xmm_xmmm128_imm8);
        Shuffle<ShuffleLowWords>(table, Code.Pshuflw_xmm_xmmm128_imm8, Code.VEX_Vpshuflw_xmm_xmmm128_imm8);
        Immediate<ShuffleSingles>(table, Code.Shufps_xmm_xmmm128_imm8, Code.VEX_Vshufps_xmm_xmm_xmmm128_imm8);
        Immediate<ShuffleDoubles>(table, Code.Shufpd_xmm_xmmm128_imm8, Code.VEX_Vshufpd_xmm_xmm_xmmm128_imm8);
        Immediate<AlignRight>(table, Code.Palignr_xmm_xmmm128_imm8, Code.VEX_Vpalignr_xmm_xmm_xmmm128_imm8);
        Immediate<BlendWords>(table, Code.Pblendw_xmm_xmmm128_imm8, Code.VEX_Vpblendw_xmm_xmm_xmmm128_imm8);
        Immediate<BlendSingles>(table, Code.Blendps_xmm_xmmm128_imm8, Code.VEX_Vblendps_xmm_xmm_xmmm128_imm8);
        Immediate<BlendDoubles>(table, Code.Blendpd_xmm_xmmm128_imm8, Code.VEX_Vblendpd_xmm_xmm_xmmm128_imm8);
        Immediate<MultipleSumsOfAbsoluteDifferences>(table, Code.Mpsadbw_xmm_xmmm128_imm8, Code.VEX_Vmpsadbw_xmm_xmm_xmmm128_imm8);
        table.Set(Code.Pclmulqdq_xmm_xmmm128_imm8, &VectorInstruction.ImmediateRegister<CarrylessMultiply>, &VectorInstruction.ImmediateMemory<CarrylessMultiply>);
        VexForms.Immediate128<CarrylessMultiply>(table, Code.VEX_Vpclmulqdq_xmm_xmm_xmmm128_imm8);

        Unary<AbsoluteBytes>(table, Code.Pabsb_xmm_xmmm128, Code.VEX_Vpabsb_xmm_xmmm128);
        Unary<AbsoluteWords>(table, Code.Pabsw_xmm_xmmm128, Code.VEX_Vpabsw_xmm_xmmm128);
        Unary<AbsoluteDwords>(table, Code.Pabsd_xmm_xmmm128, Code.VEX_Vpabsd_xmm_xmmm128);
        MmxInstruction.SetUnary<AbsoluteBytes>(table, Code.Pabsb_mm_mmm64);
        MmxInstruction.SetUnary<AbsoluteWords>(table, Code.Pabsw_mm_mmm64);
        MmxInstruction.SetUnary<AbsoluteDwords>(table, Code.Pabsd_mm_mmm64);
        table.Set(Code.Phminposuw_xmm_xmmm128, &VectorInstruction.UnaryRegister<HorizontalMinimum>, &VectorInstruction.UnaryMemory<HorizontalMinimum>);
        VexForms.Unary128<HorizontalMinimum>(table, Code.VEX_Vphminposuw_xmm_xmmm128);
        Unary<DuplicateEvenSingles>(table, Code.Movsldup_xmm_xmmm128, Code.VEX_Vmovsldup_xmm_xmmm128);
        Unary<DuplicateOddSingles>(table, Code.Movshdup_xmm_xmmm128, Code.VEX_Vmovshdup_xmm_xmmm128);
        table.Set(Code.Movddup_xmm_xmmm64, &VectorInstruction.UnaryRegister<DuplicateLowDouble>, &VectorInstruction.UnaryNarrowMemory<DuplicateLowDouble, ulong>);
        VexForms.Narrow<DuplicateLowDouble, ulong>(table, Code.VEX_Vmovddup_xmm_xmmm64);
        VexForms.Unary256<DuplicateLowDouble>(table, Code.VEX_Vmovddup_ymm_ymmm256);
        Widening<SignExtendBytesToWords, ulong>(table, Code.Pmovsxbw_xmm_xmmm64, Code.VEX_Vpmovsxbw_xmm_xmmm64);
        Widening<SignExtendBytesToDwords, uint>(table, Code.Pmovsxbd_xmm_xmmm32, Code.VEX_Vpmovsxbd_xmm_xmmm32);
        Widening<SignExtendBytesToQwords, ushort>(table, Code.Pmovsxbq_xmm_xmmm16, Code.VEX_Vpmovsxbq_xmm_xmmm16);
        Widening<SignExtendWordsToDwords, ulong>(table, Code.Pmovsxwd_xmm_xmmm64, Code.VEX_Vpmovsxwd_xmm_xmmm64);
        Widening<SignExtendWordsToQwords, uint>(table, Code.Pmovsxwq_xmm_xmmm32, Code.VEX_Vpmovsxwq_xmm_xmmm32);
        Widening<SignExtendDwordsToQwords, ulong>(table, Code.Pmovsxdq_xmm_xmmm64, Code.VEX_Vpmovsxdq_xmm_xmmm64);
        Widening<ZeroExtendBytesToWords, ulong>(table, Code.Pmovzxbw_xmm_xmmm64, Code.VEX_Vpmovzxbw_xmm_xmmm64);
        Widening<ZeroExtendBytesToDwords, uint>(table, Code.Pmovzxbd_xmm_xmmm32, Code.VEX_Vpmovzxbd_xmm_xmmm32);
        Widening<ZeroExtendBytesToQwords, ushort>(table, Code.Pmovzxbq_xmm_xmmm16, Code.VEX_Vpmovzxbq_xmm_xmmm16);
        Widening<ZeroExtendWordsToDwords, ulong>(table, Code.Pmovzxwd_xmm_xmmm64, Code.VEX_Vpmovzxwd_xmm_xmmm64);
        Widening<ZeroExtendWordsToQwords, uint>(table, Code.Pmovzxwq_xmm_xmmm32, Code.VEX_Vpmovzxwq_xmm_xmmm32);
        Widening<ZeroExtendDwordsToQwords, ulong>(table, Code.Pmovzxdq_xmm_xmmm64, Code.VEX_Vpmovzxdq_xmm_xmmm64);
    }

    private static void Both<T>(HandlerTable table, Code xmm, Code mmx, Code vex) where T : struct, IVectorBinary
    {
        Wide<T>(table, xmm, vex);
        MmxInstruction.SetBinary<T>(table, mmx);
    }

    private static void Wide<T>(HandlerTable table, Code xmm, Code vex) where T : struct, IVectorBinary
    {
        table.Set(xmm, &VectorInstruction.BinaryRegister<T>, &VectorInstruction.BinaryMemory<T>);
        VexForms.Binary<T>(table, vex);
    }

    private static void Unary<T>(HandlerTable table, Code xmm, Code vex) where T : struct, IVectorUnary
    {
        table.Set(xmm, &VectorInstruction.UnaryRegister<T>, &VectorInstruction.UnaryMemory<T>);
        VexForms.Unary<T>(table, vex);
    }

    private static void Widening<T, TMemory>(HandlerTable table, Code xmm, Code vex)
        where T : struct, IVectorUnary
        where TMemory : unmanaged
    {
        table.Set(xmm, &VectorInstruction.UnaryRegister<T>, &VectorInstruction.UnaryNarrowMemory<T, TMemory>);
        VexForms.Widening<T, TMemory>(table, vex);
    }

    private static void Immediate<T>(HandlerTable table, Code xmm, Code vex) where T : struct, IVectorBinaryImmediate
    {
        table.Set(xmm, &VectorInstruction.ImmediateRegister<T>, &VectorInstruction.ImmediateMemory<T>);
        VexForms.Immediate<T>(table, vex);
    }

    private static void Shuffle<T>(HandlerTable table, Code xmm, Code vex) where T : struct, IVectorBinaryImmediate
    {
        table.Set(xmm, &VectorInstruction.ImmediateRegister<T>, &VectorInstruction.ImmediateMemory<T>);
        VexForms.Shuffle<T>(table, vex);
    }

    private static void ShiftByCount<T>(HandlerTable table, Code xmm, Code mmx, Code vex) where T : struct, IVectorShift
    {
        table.Set(xmm, &VectorInstruction.BinaryRegister<ByCount<T>>, &VectorInstruction.BinaryMemory<ByCount<T>>);
        MmxInstruction.SetBinary<ByCount<T>>(table, mmx);
        VexForms.ShiftByCount<T>(table, vex);
    }

    private static void Shift<T>(HandlerTable table, Code xmm, Code mmx, Code vex) where T : struct, IVectorShift
    {
        table.Set(xmm, &ShiftByImmediate<T>, null);
        table.Set(mmx, &MmxInstruction.ShiftByImmediate<T>, null);
        VexForms.Shift<T>(table, vex);
    }

    private static Outcome ShiftByImmediate<T>(CpuState* s, Instruction* i) where T : struct, IVectorShift
    {
        ref Vector128<byte> value = ref Operands.Register<Vector128<byte>>(s, i->Destination);
        value = T.Apply(value, (byte)i->Immediate);
        return Outcome.Next;
    }
}
