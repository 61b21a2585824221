using Iced.Intel;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Instructions;
using Vmm.Engine.Software.Instructions.X87;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// Which forms use x87, MMX, SSE or AVX state or the VEX prefix, and what stands in for their handlers where CR0.EM, TS,
/// MP, CR4.OSFXSR, OSXSAVE, XCR0 or the mode forbid it (SDM Vol. 3A 2.5, tables 9-3 and 13-1; Vol. 2A 2.4). Decided at
/// decode: handlers need not ask.
/// </summary>
internal static unsafe class ExtensionUse
{
    private const byte X87 = 1;
    private const byte Wait = 2;
    private const byte Mmx = 4;
    private const byte Sse = 8;
    private const byte Vex = 16;
    private const byte Avx = 32;

    // Features of the VEX forms that exist; others are undefined whatever the mode.
    private static readonly HashSet<CpuidFeature> VexFeatures =
    [
        CpuidFeature.AVX, CpuidFeature.AVX2, CpuidFeature.FMA, CpuidFeature.F16C, CpuidFeature.AES, CpuidFeature.PCLMULQDQ, CpuidFeature.BMI1,
        CpuidFeature.BMI2,
    ];

    private static readonly byte[] Uses = CreateUses();

    // One pointer, so that it can be told from others.
    private static readonly delegate*<CpuState*, Instruction*, Outcome> WaitingForX87 = &AfterX87;

    /// <summary>The handler to run instead in a mode, or null.</summary>
    public static delegate*<CpuState*, Instruction*, Outcome> Substitute(Code code, uint mode)
    {
        int use = Uses[(int)code];
        if (use == 0)
        {
            return null;
        }

        if ((use & (Vex | Avx)) != 0)
        {
            bool undefined = (mode & BlockMode.NoVex) != 0 || ((use & Avx) != 0 && (mode & BlockMode.NoAvx) != 0);
            return undefined ? &Undefined : (use & Avx) != 0 && (mode & BlockMode.TaskSwitched) != 0 ? &NotAvailable : null;
        }

        bool emulation = (mode & BlockMode.Emulation) != 0;
        bool switched = (mode & BlockMode.TaskSwitched) != 0;
        if ((use & (Mmx | Sse)) != 0)
        {
            if (emulation || ((use & Sse) != 0 && (mode & BlockMode.NoSse) != 0))
            {
                return &Undefined;
            }

            return switched ? &NotAvailable : (use & Mmx) != 0 ? WaitingForX87 : null;
        }

        bool unavailable = use == X87 ? emulation || switched : switched && (mode & BlockMode.MonitorCoprocessor) != 0;
        return unavailable ? &NotAvailable : null;
    }

    /// <summary>Whether a substitute, or none, lets the instruction run where no x87 exception is pending.</summary>
    public static bool IsAvailable(delegate*<CpuState*, Instruction*, Outcome> substitute) =>
        substitute == null || (nint)substitute == (nint)WaitingForX87;

    private static byte[] CreateUses()
    {
        byte[] uses = new byte[(int)Enum.GetValues<Code>().Max() + 1];
        foreach (Code code in Enum.GetValues<Code>())
        {
            OpCodeInfo info = code.ToOpCode();
            if (info.Encoding == EncodingKind.Legacy)
            {
                uses[(int)code] = Use(code, info);
            }
            else if (info.Encoding == EncodingKind.VEX && code.CpuidFeatures().All(VexFeatures.Contains))
            {
                uses[(int)code] = code.CpuidFeatures().Any(feature => feature is CpuidFeature.BMI1 or CpuidFeature.BMI2) ? Vex : Avx;
            }
        }

        return uses;
    }

    private static byte Use(Code code, OpCodeInfo info)
    {
        if (code == Code.Wait)
        {
            return Wait;
        }

        uint first = info.OpCodeLength == 2 ? info.OpCode >> 8 : info.OpCode;
        if (info.Table == OpCodeTableKind.Normal && (first & 0xF8) == 0xD8)
        {
            return X87;
        }

        int use = code switch
        {
            Code.Ldmxcsr_m32 or Code.Stmxcsr_m32 => Sse,
            Code.Emms => Mmx,
            _ => 0,
        };
        for (int n = 0; n < info.OpCount; n++)
        {
            use |= info.GetOpKind(n) switch
            {
                OpCodeOperandKind.mm_reg or OpCodeOperandKind.mm_rm or OpCodeOperandKind.mm_or_mem => Mmx,
                OpCodeOperandKind.xmm_reg or OpCodeOperandKind.xmm_rm or OpCodeOperandKind.xmm_or_mem => Sse,
                _ => 0,
            };
        }

        return (byte)use;
    }

    private static Outcome Undefined(CpuState* s, Instruction* i) => Faults.InvalidOpcode(s);

    private static Outcome NotAvailable(CpuState* s, Instruction* i) => Faults.Raise(s, ExceptionVector.DeviceNotAvailable);

    // MMX instructions wait for x87 exceptions, whose registers they take over (SDM Vol. 3A 12.5). CVTPI2PS and CVTPI2PD
    // from memory take none over.
    private static Outcome AfterX87(CpuState* s, Instruction* i) => X87Exceptions.IsPending(s) && !IsConversionFromMemory(i)
        ? X87Exceptions.Deliver(s)
        : InstructionSet.Handlers.Find((Code)i->Code, (i->Flags & InstructionFlags.Memory) != 0)(s, i);

    private static bool IsConversionFromMemory(Instruction* i) =>
        (Code)i->Code is Code.Cvtpi2ps_xmm_mmm64 or Code.Cvtpi2pd_xmm_mmm64 && (i->Flags & InstructionFlags.Memory) != 0;
}
