using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>One form of an instruction: an opcode with its operands in registers, or with one of them in memory.</summary>
internal readonly record struct InstructionForm(Code Code, bool Memory, int Bitness)
{
    public OpCodeInfo Info => Code.ToOpCode();

    /// <summary>Bytes of the memory operand; 0: none, or any number.</summary>
    public int MemorySize => Info.Mnemonic is Mnemonic.Xsave or Mnemonic.Xsave64 or Mnemonic.Xrstor or Mnemonic.Xrstor64
        ? SaveArea
        : Info.MemorySize.GetSize();

    /// <summary>
    /// Whether all processors check the alignment of its accesses alike (SDM Vol. 3A table 6-7): not so of wide ones, of
    /// ENTER's probe, and of MOVSXD of words, which some load as dwords.
    /// </summary>
    public bool IsAlignmentDefined => MemorySize <= 8 && Info.Mnemonic is not (Mnemonic.Enter or Mnemonic.Movsxd or Mnemonic.Maskmovq or Mnemonic.Maskmovdqu);

    /// <summary>What linear addresses of data, and of code, are offsets from.</summary>
    public ulong DataBase => Bitness == 16 ? CaseLayout.Data : 0;

    public ulong CodeBase => Bitness == 16 ? CaseLayout.Code : 0;

    // Legacy region, header, AVX state (SDM Vol. 1 13.4, 13.5).
    private const int SaveArea = 832;

    /// <summary>As the reports name it, and as <c>VMM_FORM</c> takes it.</summary>
    public override string ToString() => $"{Code}{(Memory ? "/m" : "")}{(Bitness == 64 ? "" : $"/{Bitness}")}";
}
