using System.Text;
using Iced.Intel;
using Vmm.Engine.Software.Tests.Differential.Generation;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>What is printed of a mismatch.</summary>
internal static unsafe class CaseReport
{
    public static string Write(
        string form, int index, ulong seed, in Instruction instruction, CaseSlot* slot, List<string> differences)
    {
        ProcessorImage* input = &slot->Input;
        StringBuilder text = new();
        string bytes = Convert.ToHexString(new ReadOnlySpan<byte>(input->Code, (int)input->CodeLength));
        text.AppendLine($"{form}: {instruction}   [{bytes}] at {input->Rip:x}");
        foreach (string difference in differences)
        {
            text.AppendLine($"    {difference}");
        }

        text.Append("    inputs:");
        foreach (Register register in UsedRegisters(instruction))
        {
            text.Append($" {register.ToString().ToLowerInvariant()}={Value(register, input)}");
        }

        text.AppendLine($" rflags={input->Rflags:x}{FloatingPoint(instruction, input)}{Memory(instruction, slot)}");
        text.Append($"    repeat: VMM_SEED={seed} VMM_FORM={form} VMM_CASE={index} dotnet test tests/Vmm.Engine.Software.Tests --filter Differential");
        return text.ToString();
    }

    private static IEnumerable<Register> UsedRegisters(in Instruction instruction)
    {
        InstructionInfoFactory factory = new();
        return factory.GetInfo(instruction).GetUsedRegisters().Select(used => used.Register.GetFullRegister()).Distinct().ToArray();
    }

    private static string Value(Register register, ProcessorImage* input)
    {
        if (register.IsGPR64())
        {
            return $"{input->Gpr[register - Register.RAX]:x}";
        }

        if (register.IsVectorRegister())
        {
            int number = register - (register.IsXMM() ? Register.XMM0 : register.IsYMM() ? Register.YMM0 : Register.ZMM0);
            UInt128 lower = *(UInt128*)(input->Fx + FxImage.VectorRegisters + (number * 16));
            return $"{*(UInt128*)(input->UpperHalves + (number * 16)):x32}:{lower:x32}";
        }

        if (register.IsMM() || register.IsST())
        {
            int physical = register.IsMM() ? register - Register.MM0 : register - Register.ST0;
            int top = register.IsMM() ? *(ushort*)(input->Fx + FxImage.StatusWord) >> 11 & 7 : 0;
            byte* value = input->Fx + FxImage.StackRegisters + (((physical - top) & 7) * 16);
            return $"{*(ushort*)(value + 8):x4}:{*(ulong*)value:x16}";
        }

        return register switch
        {
            Register.FS => $"{input->FsBase:x}",
            Register.GS => $"{input->GsBase:x}",
            _ => "-",
        };
    }

    private static string FloatingPoint(in Instruction instruction, ProcessorImage* input) =>
        instruction.Mnemonic.ToString().StartsWith('F')
            ? $" fcw={*(ushort*)(input->Fx + FxImage.ControlWord):x} fsw={*(ushort*)(input->Fx + FxImage.StatusWord):x} ftw={input->Fx[FxImage.Tags]:x}"
            : $" mxcsr={*(uint*)(input->Fx + FxImage.Mxcsr):x}";

    private static string Memory(in Instruction instruction, CaseSlot* slot)
    {
        ulong address = Comparison.OperandLocation.Of(instruction, &slot->Input);
        bool hasMemory = false;
        for (int n = 0; n < instruction.OpCount; n++)
        {
            hasMemory |= instruction.GetOpKind(n) == OpKind.Memory;
        }

        return !hasMemory ? ""
            : address - CaseLayout.Data > CaseLayout.DataSize - 16 ? $" memory at {address:x}"
            : $" [{address:x}]={*(UInt128*)(slot->Memory + (address - CaseLayout.Data)):x32}";
    }
}
