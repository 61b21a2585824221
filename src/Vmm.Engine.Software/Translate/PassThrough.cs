using System.Runtime.Intrinsics.X86;
using Iced.Intel;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// Which guest instructions run on the host as themselves, given other registers and a host address: those that touch
/// nothing but general, vector and x87 registers, arithmetic flags, MXCSR and one memory operand, on a host that has them.
/// </summary>
internal static class PassThrough
{
    private static readonly bool[] General = Create(
        Mnemonic.Mov, Mnemonic.Movzx, Mnemonic.Movsx, Mnemonic.Movsxd, Mnemonic.Movnti, Mnemonic.Lea,
        Mnemonic.Add, Mnemonic.Adc, Mnemonic.Sub, Mnemonic.Sbb, Mnemonic.And, Mnemonic.Or, Mnemonic.Xor, Mnemonic.Cmp, Mnemonic.Test,
        Mnemonic.Inc, Mnemonic.Dec, Mnemonic.Neg, Mnemonic.Not, Mnemonic.Imul, Mnemonic.Bswap, Mnemonic.Xchg, Mnemonic.Xadd,
        Mnemonic.Shl, Mnemonic.Sal, Mnemonic.Shr, Mnemonic.Sar, Mnemonic.Rol, Mnemonic.Ror, Mnemonic.Rcl, Mnemonic.Rcr,
        Mnemonic.Shld, Mnemonic.Shrd, Mnemonic.Bt, Mnemonic.Bts, Mnemonic.Btr, Mnemonic.Btc, Mnemonic.Bsf, Mnemonic.Bsr,
        Mnemonic.Tzcnt, Mnemonic.Lzcnt, Mnemonic.Popcnt, Mnemonic.Movbe, Mnemonic.Crc32,
        Mnemonic.Andn, Mnemonic.Bextr, Mnemonic.Blsi, Mnemonic.Blsr, Mnemonic.Blsmsk, Mnemonic.Bzhi, Mnemonic.Mulx, Mnemonic.Pdep,
        Mnemonic.Pext, Mnemonic.Rorx, Mnemonic.Sarx, Mnemonic.Shlx, Mnemonic.Shrx, Mnemonic.Adcx, Mnemonic.Adox,
        Mnemonic.Clc, Mnemonic.Stc, Mnemonic.Cmc, Mnemonic.Lfence, Mnemonic.Sfence, Mnemonic.Mfence,
        Mnemonic.Seta, Mnemonic.Setae, Mnemonic.Setb, Mnemonic.Setbe, Mnemonic.Sete, Mnemonic.Setne, Mnemonic.Setg, Mnemonic.Setge,
        Mnemonic.Setl, Mnemonic.Setle, Mnemonic.Seto, Mnemonic.Setno, Mnemonic.Setp, Mnemonic.Setnp, Mnemonic.Sets, Mnemonic.Setns,
        Mnemonic.Cmova, Mnemonic.Cmovae, Mnemonic.Cmovb, Mnemonic.Cmovbe, Mnemonic.Cmove, Mnemonic.Cmovne, Mnemonic.Cmovg, Mnemonic.Cmovge,
        Mnemonic.Cmovl, Mnemonic.Cmovle, Mnemonic.Cmovo, Mnemonic.Cmovno, Mnemonic.Cmovp, Mnemonic.Cmovnp, Mnemonic.Cmovs, Mnemonic.Cmovns);

    // Operands that are not in sight: RDI, RAX and RDX, RCX; and what is not of vector registers alone, or of MMX registers with MXCSR.
    private static readonly bool[] VectorExceptions = Create(
        Mnemonic.Maskmovdqu, Mnemonic.Vmaskmovdqu, Mnemonic.Pcmpestri, Mnemonic.Pcmpestrm, Mnemonic.Vpcmpestri, Mnemonic.Vpcmpestrm,
        Mnemonic.Pcmpestri64, Mnemonic.Pcmpestrm64, Mnemonic.Vpcmpestri64, Mnemonic.Vpcmpestrm64,
        Mnemonic.Ldmxcsr, Mnemonic.Stmxcsr, Mnemonic.Vldmxcsr, Mnemonic.Vstmxcsr,
        Mnemonic.Cvtpi2ps, Mnemonic.Cvtpi2pd, Mnemonic.Cvtps2pi, Mnemonic.Cvttps2pi, Mnemonic.Cvtpd2pi, Mnemonic.Cvttpd2pi);

    // Without those whose results differ between processors, and those that load or store more than a datum or a word.
    private static readonly bool[] X87 = Create(
        Mnemonic.Fld, Mnemonic.Fst, Mnemonic.Fstp, Mnemonic.Fild, Mnemonic.Fist, Mnemonic.Fistp, Mnemonic.Fisttp, Mnemonic.Fxch,
        Mnemonic.Fld1, Mnemonic.Fldz, Mnemonic.Fldpi, Mnemonic.Fldl2e, Mnemonic.Fldl2t, Mnemonic.Fldlg2, Mnemonic.Fldln2,
        Mnemonic.Fadd, Mnemonic.Faddp, Mnemonic.Fiadd, Mnemonic.Fsub, Mnemonic.Fsubp, Mnemonic.Fisub, Mnemonic.Fsubr, Mnemonic.Fsubrp, Mnemonic.Fisubr,
        Mnemonic.Fmul, Mnemonic.Fmulp, Mnemonic.Fimul, Mnemonic.Fdiv, Mnemonic.Fdivp, Mnemonic.Fidiv, Mnemonic.Fdivr, Mnemonic.Fdivrp, Mnemonic.Fidivr,
        Mnemonic.Fchs, Mnemonic.Fabs, Mnemonic.Fsqrt, Mnemonic.Frndint, Mnemonic.Fscale, Mnemonic.Fxtract, Mnemonic.Fprem, Mnemonic.Fprem1,
        Mnemonic.Fcom, Mnemonic.Fcomp, Mnemonic.Fcompp, Mnemonic.Fucom, Mnemonic.Fucomp, Mnemonic.Fucompp, Mnemonic.Ficom, Mnemonic.Ficomp,
        Mnemonic.Fcomi, Mnemonic.Fcomip, Mnemonic.Fucomi, Mnemonic.Fucomip, Mnemonic.Ftst, Mnemonic.Fxam,
        Mnemonic.Fcmovb, Mnemonic.Fcmove, Mnemonic.Fcmovbe, Mnemonic.Fcmovu, Mnemonic.Fcmovnb, Mnemonic.Fcmovne, Mnemonic.Fcmovnbe, Mnemonic.Fcmovnu,
        Mnemonic.Fincstp, Mnemonic.Fdecstp, Mnemonic.Ffree, Mnemonic.Ffreep, Mnemonic.Fnop, Mnemonic.Fnclex, Mnemonic.Fnstcw, Mnemonic.Fnstsw);

    private static readonly bool[] HostFeatures = CreateHostFeatures();

    private static bool[] Create(params ReadOnlySpan<Mnemonic> mnemonics)
    {
        bool[] set = new bool[(int)Enum.GetValues<Mnemonic>().Max() + 1];
        foreach (Mnemonic mnemonic in mnemonics)
        {
            set[(int)mnemonic] = true;
        }

        return set;
    }

    private static bool[] CreateHostFeatures()
    {
        bool[] features = new bool[(int)Enum.GetValues<CpuidFeature>().Max() + 1];
        Span<(CpuidFeature Feature, bool IsSupported)> known =
        [
            (CpuidFeature.INTEL8086, true), (CpuidFeature.INTEL186, true), (CpuidFeature.INTEL286, true), (CpuidFeature.INTEL386, true),
            (CpuidFeature.INTEL486, true), (CpuidFeature.X64, true), (CpuidFeature.FPU, true), (CpuidFeature.FPU287, true), (CpuidFeature.FPU387, true),
            (CpuidFeature.MMX, true), (CpuidFeature.CMOV, true), (CpuidFeature.MULTIBYTENOP, true),
            (CpuidFeature.SSE, true), (CpuidFeature.SSE2, true), (CpuidFeature.SSE3, Sse3.IsSupported), (CpuidFeature.SSSE3, Ssse3.IsSupported),
            (CpuidFeature.SSE4_1, Sse41.IsSupported), (CpuidFeature.SSE4_2, Sse42.IsSupported), (CpuidFeature.POPCNT, Popcnt.IsSupported),
            (CpuidFeature.AES, Aes.IsSupported), (CpuidFeature.PCLMULQDQ, Pclmulqdq.IsSupported), (CpuidFeature.BMI1, Bmi1.IsSupported),
            (CpuidFeature.BMI2, Bmi2.IsSupported), (CpuidFeature.LZCNT, Lzcnt.IsSupported), (CpuidFeature.MOVBE, HostHas(1, 2, 22)),
            (CpuidFeature.AVX, Avx.IsSupported), (CpuidFeature.AVX2, Avx2.IsSupported), (CpuidFeature.FMA, Fma.IsSupported),
            (CpuidFeature.F16C, Avx.IsSupported && HostHas(1, 2, 29)), (CpuidFeature.ADX, HostHas(7, 1, 19)), (CpuidFeature.SHA, HostHas(7, 1, 29)),
        ];
        foreach ((CpuidFeature feature, bool isSupported) in known)
        {
            features[(int)feature] = isSupported;
        }

        return features;
    }

    private static bool HostHas(int leaf, int register, int bit)
    {
        if (!X86Base.IsSupported)
        {
            return false;
        }

        (int _, int ebx, int ecx, int _) = X86Base.CpuId(leaf, 0);
        return ((register == 1 ? ebx : ecx) >> bit & 1) != 0;
    }

    /// <summary>Whether the instruction is one of these, by its form; what its operands are is the caller's to ask.</summary>
    public static bool Allows(in Instruction instruction)
    {
        foreach (CpuidFeature feature in instruction.CpuidFeatures)
        {
            if (!HostFeatures[(int)feature])
            {
                return false;
            }
        }

        return !VectorExceptions[(int)instruction.Mnemonic] && (UsesVectors(instruction)
            ? !instruction.IsVsib
            : General[(int)instruction.Mnemonic] || UsesX87(instruction));
    }

    /// <summary>Whether it is one of the x87 instructions here, or has an MMX register for an operand.</summary>
    public static bool UsesX87(in Instruction instruction)
    {
        for (int n = 0; n < instruction.OpCount; n++)
        {
            if (instruction.GetOpKind(n) == OpKind.Register && instruction.GetOpRegister(n).IsMM())
            {
                return true;
            }
        }

        return X87[(int)instruction.Mnemonic] || instruction.Mnemonic == Mnemonic.Emms;
    }

    /// <summary>Whether it counts as the last x87 instruction, whose address FXSAVE stores (SDM Vol. 1 8.1.8).</summary>
    public static bool SetsX87Pointer(in Instruction instruction) => X87[(int)instruction.Mnemonic]
        && instruction.Mnemonic is not (Mnemonic.Fnclex or Mnemonic.Fnstcw or Mnemonic.Fnstsw);

    /// <summary>Whether an operand is a vector register.</summary>
    public static bool UsesVectors(in Instruction instruction)
    {
        for (int n = 0; n < instruction.OpCount; n++)
        {
            if (instruction.GetOpKind(n) == OpKind.Register && instruction.GetOpRegister(n).IsVectorRegister())
            {
                return true;
            }
        }

        return instruction.Mnemonic is Mnemonic.Vzeroall or Mnemonic.Vzeroupper;
    }

    /// <summary>Whether the memory operand must be aligned to its size (SDM Vol. 1 11.3.8.1, Vol. 2 2.4).</summary>
    public static bool NeedsAlignment(in Instruction instruction, int size)
    {
        if (size < 16)
        {
            return false;
        }

        return instruction.Mnemonic switch
        {
            Mnemonic.Movups or Mnemonic.Movupd or Mnemonic.Movdqu or Mnemonic.Lddqu => false,
            Mnemonic.Vmovaps or Mnemonic.Vmovapd or Mnemonic.Vmovdqa or Mnemonic.Vmovntdq or Mnemonic.Vmovntps or Mnemonic.Vmovntpd
                or Mnemonic.Vmovntdqa => true,
            _ => instruction.Encoding == EncodingKind.Legacy,
        };
    }
}
