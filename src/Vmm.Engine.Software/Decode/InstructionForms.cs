using Iced.Intel;

namespace Vmm.Engine.Software.Decode;

/// <summary>What a block has to know of an instruction form, by Iced's Code; made once.</summary>
internal static class InstructionForms
{
    private static readonly byte[] Sizes = new byte[(int)Enum.GetValues<Code>().Max() + 1];

    // Everything that may change mode, privilege, mappings or pending events, or that an exit handler may follow up.
    private static readonly HashSet<Mnemonic> EndingMnemonics =
    [
        Mnemonic.Cli, Mnemonic.Sti, Mnemonic.Popf, Mnemonic.Popfd, Mnemonic.Popfq, Mnemonic.Hlt, Mnemonic.Clts, Mnemonic.Lmsw,
        Mnemonic.Invlpg, Mnemonic.Invpcid, Mnemonic.Invept, Mnemonic.Invvpid, Mnemonic.Invd, Mnemonic.Wbinvd, Mnemonic.Wrmsr,
        Mnemonic.Xsetbv, Mnemonic.In, Mnemonic.Out, Mnemonic.Insb, Mnemonic.Insw, Mnemonic.Insd, Mnemonic.Outsb, Mnemonic.Outsw,
        Mnemonic.Outsd, Mnemonic.Cpuid, Mnemonic.Pause, Mnemonic.Monitor, Mnemonic.Mwait, Mnemonic.Lds, Mnemonic.Les, Mnemonic.Lfs,
        Mnemonic.Lgs, Mnemonic.Lss, Mnemonic.Lldt, Mnemonic.Ltr, Mnemonic.Lgdt, Mnemonic.Lidt, Mnemonic.Fxrstor, Mnemonic.Vmxon,
        Mnemonic.Vmxoff, Mnemonic.Vmclear, Mnemonic.Vmptrld, Mnemonic.Vmptrst, Mnemonic.Vmread, Mnemonic.Vmwrite, Mnemonic.Rsm,
    ];

    private static readonly BlockEnding[] Endings = CreateEndings();

    /// <summary>Operand size in bytes: of the form, else of its memory operand, else 1.</summary>
    public static byte OperandSize(Code code) => Sizes[(int)code];

    /// <summary>Whether and how the form ends a block.</summary>
    public static BlockEnding Ending(in Iced.Intel.Instruction instruction)
    {
        BlockEnding ending = Endings[(int)instruction.Code];
        return ending == BlockEnding.None && LoadsSystemRegister(instruction) ? BlockEnding.System : ending;
    }

    // MOV to a segment, control or debug register, POP of a segment register.
    private static bool LoadsSystemRegister(in Iced.Intel.Instruction instruction) =>
        instruction.Mnemonic is Mnemonic.Mov or Mnemonic.Pop && instruction.Op0Kind == OpKind.Register
        && (instruction.Op0Register.IsSegmentRegister() || instruction.Op0Register.IsCR() || instruction.Op0Register.IsDR());

    private static BlockEnding[] CreateEndings()
    {
        BlockEnding[] endings = new BlockEnding[Sizes.Length];
        foreach (Code code in Enum.GetValues<Code>())
        {
            OpCodeInfo info = code.ToOpCode();
            Sizes[(int)code] = (byte)(info.OperandSize != 0 ? info.OperandSize / 8 : Math.Max(1, info.MemorySize.GetSize()));
            endings[(int)code] = code.FlowControl() switch
            {
                FlowControl.Next => EndingMnemonics.Contains(code.Mnemonic()) ? BlockEnding.System : BlockEnding.None,
                FlowControl.ConditionalBranch => BlockEnding.NearBranch,
                FlowControl.UnconditionalBranch or FlowControl.IndirectBranch or FlowControl.Call or FlowControl.IndirectCall
                    or FlowControl.Return => IsFar(code) ? BlockEnding.System : BlockEnding.NearBranch,
                _ => BlockEnding.System,
            };
        }

        return endings;
    }

    private static bool IsFar(Code code) =>
        code.IsJmpFar() || code.IsJmpFarIndirect() || code.IsCallFar() || code.IsCallFarIndirect()
        || code.Mnemonic() is Mnemonic.Retf or Mnemonic.Iret or Mnemonic.Iretd or Mnemonic.Iretq or Mnemonic.Sysret
            or Mnemonic.Sysretq or Mnemonic.Sysexit or Mnemonic.Sysexitq or Mnemonic.Syscall or Mnemonic.Sysenter;
}

/// <summary>How an instruction ends its block.</summary>
internal enum BlockEnding : byte
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>A near branch: nothing but RIP changes.</summary>
    NearBranch,

    /// <summary>It may change anything.</summary>
    System,
}
