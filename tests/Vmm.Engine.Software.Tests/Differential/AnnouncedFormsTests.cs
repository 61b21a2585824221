using Iced.Intel;
using Vmm.Engine.Software.Instructions;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>What CPUID announces must be there: every form of the announced extensions has a handler.</summary>
public sealed class AnnouncedFormsTests
{
    private static readonly HashSet<CpuidFeature> Announced =
    [
        CpuidFeature.INTEL8086, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL486,
        CpuidFeature.FPU, CpuidFeature.FPU287, CpuidFeature.FPU387, CpuidFeature.X64, CpuidFeature.CPUID, CpuidFeature.CX8, CpuidFeature.CMOV,
        CpuidFeature.CMPXCHG16B, CpuidFeature.FXSR, CpuidFeature.MMX, CpuidFeature.SSE, CpuidFeature.SSE2, CpuidFeature.SSE3, CpuidFeature.SSSE3,
        CpuidFeature.SSE4_1, CpuidFeature.SSE4_2, CpuidFeature.POPCNT, CpuidFeature.LZCNT, CpuidFeature.BMI1, CpuidFeature.BMI2, CpuidFeature.ADX,
        CpuidFeature.MOVBE, CpuidFeature.RDRAND, CpuidFeature.RDSEED, CpuidFeature.RDTSCP, CpuidFeature.FSGSBASE, CpuidFeature.XSAVE,
        CpuidFeature.XSAVEOPT, CpuidFeature.AES, CpuidFeature.PCLMULQDQ, CpuidFeature.CLFSH, CpuidFeature.CLFLUSHOPT, CpuidFeature.INVPCID,
        CpuidFeature.SEP, CpuidFeature.SYSCALL, CpuidFeature.TSC, CpuidFeature.MSR, CpuidFeature.MULTIBYTENOP, CpuidFeature.PAUSE,
        CpuidFeature.PREFETCHW, CpuidFeature.SMAP, CpuidFeature.AVX, CpuidFeature.AVX2, CpuidFeature.FMA, CpuidFeature.F16C, CpuidFeature.SHA,
    ];

    [Fact]
    public void Every_form_of_the_announced_extensions_is_implemented()
    {
        IEnumerable<Code> missing = Enum.GetValues<Code>().Where(code =>
        {
            OpCodeInfo info = code.ToOpCode();
            return info.IsInstruction && code != Code.INVALID && !info.Fwait && !IsAlwaysUndefined(info) && info.DecoderOption == DecoderOptions.None
                && (info.IntelDecoder16 || info.IntelDecoder32 || info.IntelDecoder64)
                && code.CpuidFeatures().All(Announced.Contains) && !InstructionSet.Handlers.IsDefined(code);
        });
        string all = string.Join(", ", missing.Select(code => $"{code} ({string.Join(" ", code.CpuidFeatures())})"));
        Assert.True(all.Length == 0, all);
    }

    // UD0, UD1 and UD2 exist to be undefined.
    private static bool IsAlwaysUndefined(OpCodeInfo info) => info.Mnemonic is Mnemonic.Ud0 or Mnemonic.Ud1 or Mnemonic.Ud2;
}
