using Iced.Intel;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions;
using Vmm.Engine.Software.Tests.Differential.Native;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>The forms that the processor implements: those to compare, and those that cannot be, each with its reason.</summary>
internal sealed unsafe class FormCatalog
{
    private const string Privileged = "needs privilege: tested as system behaviour";
    private const string OperatingSystem = "enters the operating system natively";
    private const string FarControl = "depends on the operating system's descriptors";
    private const string HostSpecific = "its result is the host's own";
    private const string Random = "its result is random";
    private const string StateComponents = "what it leaves out depends on what the host keeps track of";
    private const string AmdOnly = "only AMD processors decode it so";
    private const string Prefetches = "is a prefetch or invalid, by maker";
    private const string LowTarget = "truncates RIP to 16 bits, where nothing is mapped";

    private static readonly Dictionary<Mnemonic, string> Excluded = new()
    {
        [Mnemonic.Syscall] = OperatingSystem,
        [Mnemonic.Sysenter] = OperatingSystem,
        [Mnemonic.Int] = OperatingSystem,
        [Mnemonic.Int1] = OperatingSystem,
        [Mnemonic.Into] = OperatingSystem,
        [Mnemonic.Int3] = "ends a case",
        [Mnemonic.Iret] = FarControl,
        [Mnemonic.Iretd] = FarControl,
        [Mnemonic.Iretq] = FarControl,
        [Mnemonic.Retf] = FarControl,
        [Mnemonic.Sysret] = Privileged,
        [Mnemonic.Sysretq] = Privileged,
        [Mnemonic.Sysexit] = Privileged,
        [Mnemonic.Sysexitq] = Privileged,
        [Mnemonic.Lds] = FarControl,
        [Mnemonic.Les] = FarControl,
        [Mnemonic.Lfs] = FarControl,
        [Mnemonic.Lgs] = FarControl,
        [Mnemonic.Lss] = FarControl,
        [Mnemonic.Lar] = FarControl,
        [Mnemonic.Lsl] = FarControl,
        [Mnemonic.Verr] = FarControl,
        [Mnemonic.Verw] = FarControl,
        [Mnemonic.Arpl] = FarControl,
        [Mnemonic.Sgdt] = OperatingSystem,
        [Mnemonic.Sidt] = OperatingSystem,
        [Mnemonic.Sldt] = OperatingSystem,
        [Mnemonic.Str] = OperatingSystem,
        [Mnemonic.Smsw] = OperatingSystem,
        [Mnemonic.In] = Privileged,
        [Mnemonic.Out] = Privileged,
        [Mnemonic.Insb] = Privileged,
        [Mnemonic.Insw] = Privileged,
        [Mnemonic.Insd] = Privileged,
        [Mnemonic.Outsb] = Privileged,
        [Mnemonic.Outsw] = Privileged,
        [Mnemonic.Outsd] = Privileged,
        [Mnemonic.Cli] = Privileged,
        [Mnemonic.Sti] = Privileged,
        [Mnemonic.Cpuid] = HostSpecific,
        [Mnemonic.Rdtsc] = HostSpecific,
        [Mnemonic.Rdtscp] = HostSpecific,
        [Mnemonic.Rdpmc] = HostSpecific,
        [Mnemonic.Rdpid] = HostSpecific,
        [Mnemonic.Xgetbv] = HostSpecific,
        [Mnemonic.Xsetbv] = Privileged,
        [Mnemonic.Monitor] = Privileged,
        [Mnemonic.Mwait] = Privileged,
        [Mnemonic.Rdrand] = Random,
        [Mnemonic.Rdseed] = Random,
        [Mnemonic.Xsaveopt] = StateComponents,
        [Mnemonic.Xsaveopt64] = StateComponents,
        [Mnemonic.Vmcall] = "asks the host's hypervisor",
        [Mnemonic.Vmfunc] = "asks the host's hypervisor",
    };

    private FormCatalog(List<InstructionForm> forms, List<(InstructionForm, string)> excluded)
    {
        Forms = forms;
        Exclusions = excluded;
    }

    /// <summary>Forms to generate cases for.</summary>
    public IReadOnlyList<InstructionForm> Forms { get; }

    /// <summary>Implemented forms that are not compared, and why.</summary>
    public IReadOnlyList<(InstructionForm Form, string Reason)> Exclusions { get; }

    /// <summary>The forms that exist in code of a bitness.</summary>
    public static FormCatalog Create(int bitness)
    {
        List<InstructionForm> forms = [];
        List<(InstructionForm, string)> excluded = [];
        foreach (Code code in Enum.GetValues<Code>())
        {
            OpCodeInfo info = code.ToOpCode();
            if (!IsDecoded(info, bitness))
            {
                continue;
            }

            foreach (bool memory in (ReadOnlySpan<bool>)[false, true])
            {
                InstructionForm form = new(code, memory, bitness);
                if (!Exists(info, memory) || !IsImplemented(code, memory))
                {
                    continue;
                }

                if (ReasonToExclude(form) is { } reason)
                {
                    excluded.Add((form, reason));
                }
                else
                {
                    forms.Add(form);
                }
            }
        }

        return new FormCatalog(forms, excluded);
    }

    /// <summary>Implemented codes that no catalog knows: nothing compares them, and nobody says why.</summary>
    public static IReadOnlyList<Code> Forgotten()
    {
        HashSet<Code> known = [];
        foreach (FormCatalog catalog in (ReadOnlySpan<FormCatalog>)[Create(64), Create(32), Create(16)])
        {
            known.UnionWith(catalog.Forms.Select(form => form.Code));
            known.UnionWith(catalog.Exclusions.Select(exclusion => exclusion.Form.Code));
        }

        return [.. Enum.GetValues<Code>().Where(code => InstructionSet.Handlers.IsDefined(code) && !known.Contains(code))];
    }

    private static bool IsDecoded(OpCodeInfo info, int bitness) =>
        info.IsInstruction && info.Code != Code.INVALID
        && (bitness switch { 64 => info.Mode64, 32 => info.IntelDecoder32 && info.Mode32, _ => info.IntelDecoder16 && info.Mode16 })
        && info.DecoderOption == DecoderOptions.None;

    // Whether the form has an operand that may be, or must be, in memory.
    private static bool Exists(OpCodeInfo info, bool memory)
    {
        bool may = false;
        bool must = false;
        for (int n = 0; n < info.OpCount; n++)
        {
            must |= info.GetOpKind(n) is OpCodeOperandKind.mem or OpCodeOperandKind.mem_offs or OpCodeOperandKind.seg_rBX_al
                || OperandKinds.IsVectorIndexed(info.GetOpKind(n));
            may |= OperandKinds.IsRegisterOrMemory(info.GetOpKind(n));
        }

        return memory ? may || must : !must;
    }

    private static bool IsImplemented(Code code, bool memory)
    {
        HandlerTable table = InstructionSet.Handlers;
        return (nint)table.Find(code, memory) != (nint)table.Find(Code.INVALID, false);
    }

    private static string? ReasonToExclude(InstructionForm form)
    {
        OpCodeInfo info = form.Info;
        return Excluded.GetValueOrDefault(info.Mnemonic)
            ?? (form.Bitness == 64 && !info.IntelDecoder64 ? AmdOnly : null)
            ?? (info.IsPrivileged || info.MustBeCpl0 ? Privileged : null)
            ?? (LoadsSegment(info) || IsFar(form.Code) ? FarControl : null)
            ?? (form.Bitness != 16 && BranchesTo16Bits(info) ? LowTarget : null)
            ?? (info.Code is Code.Reservednop_rm16_r16_0F0D or Code.Reservednop_rm32_r32_0F0D or Code.Reservednop_rm64_r64_0F0D ? Prefetches : null)
            ?? (HostProcessor.Supports(form.Code) ? null : $"this host lacks {string.Join(", ", form.Code.CpuidFeatures())}");
    }

    private static bool LoadsSegment(OpCodeInfo info) =>
        (info.Mnemonic == Mnemonic.Mov && info.Op0Kind == OpCodeOperandKind.seg_reg)
        || (info.Mnemonic == Mnemonic.Pop && info.Op0Kind is >= OpCodeOperandKind.es and <= OpCodeOperandKind.gs);

    private static bool IsFar(Code code) =>
        code.IsJmpFar() || code.IsJmpFarIndirect() || code.IsCallFar() || code.IsCallFarIndirect();

    private static bool BranchesTo16Bits(OpCodeInfo info) =>
        info.Op0Kind is OpCodeOperandKind.br16_1 or OpCodeOperandKind.br16_2
        || info.Code is Code.Retnw or Code.Retnw_imm16 or Code.Jmp_rm16 or Code.Call_rm16;
}
