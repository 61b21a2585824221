using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>One form of an instruction: an opcode with its operands in registers, or with one of them in memory.</summary>
internal readonly record struct InstructionForm(Code Code, bool Memory, int Bitness)
{
    public OpCodeInfo Info => Code.ToOpCode();

    /// <summary>As the reports name it, and as <c>VMM_FORM</c> takes it.</summary>
    public override string ToString() => $"{Code}{(Memory ? "/m" : "")}{(Bitness == 32 ? "/32" : "")}";
}
