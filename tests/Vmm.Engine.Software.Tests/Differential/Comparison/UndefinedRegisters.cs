using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>Bits of the general registers in which models differ.</summary>
internal static unsafe class UndefinedRegisters
{
    private const ulong UpperHalf = 0xFFFF_FFFF_0000_0000;
    private const int Rcx = 1;
    private const int Rsp = 4;
    private const int Rsi = 6;
    private const int Rdi = 7;

    /// <summary>The bits of one register that are not compared.</summary>
    public static ulong Of(in Instruction instruction, CaseSlot* slot, int register)
    {
        ProcessorImage* native = &slot->Native;

        // Some models have popped the first registers when POPA faults.
        if (instruction.Mnemonic is Mnemonic.Popa or Mnemonic.Popad && native->Vector != CaseResult.Breakpoint)
        {
            return ulong.MaxValue;
        }

        // Linux leaves some of its own in the upper half of RSP when a task has a 16-bit stack.
        if (register == Rsp && slot->Input.Ss == CaseLayout.Data16Selector)
        {
            return UpperHalf;
        }

        return IsRepetitionNotBegun(instruction, slot) && register is Rcx or Rsi or Rdi ? UpperHalf : 0;
    }

    // A repetition by ECX that ends before its first element, because ECX is 0 or that element faults: models differ in
    // whether the registers are truncated by then, and which. The SDM (Vol. 2B "REP") writes none of them in that case.
    private static bool IsRepetitionNotBegun(in Instruction instruction, CaseSlot* slot) =>
        slot->Input.Cs == CaseLayout.Code64Selector
        && instruction.IsStringInstruction
        && (instruction.HasRepPrefix || instruction.HasRepnePrefix)
        && UsesDoublewordAddresses(instruction)
        && (uint)slot->Native.Gpr[Rcx] == (uint)slot->Input.Gpr[Rcx];

    private static bool UsesDoublewordAddresses(in Instruction instruction)
    {
        for (int n = 0; n < instruction.OpCount; n++)
        {
            if (instruction.GetOpKind(n) is OpKind.MemorySegESI or OpKind.MemorySegEDI or OpKind.MemoryESEDI)
            {
                return true;
            }
        }

        return false;
    }
}
