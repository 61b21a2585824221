using Iced.Intel;

namespace Vmm.Engine.Software.Translate;

/// <summary>Forms whose accumulator is not encoded, and those that name it: the accumulator is elsewhere on the host.</summary>
internal static class FixedRegisterForms
{
    private static readonly Code[] General = Create();

    /// <summary>Gives the instruction a form that can name any register.</summary>
    public static void Replace(ref Instruction instruction)
    {
        Code general = General[(int)instruction.Code];
        if (general != Code.INVALID)
        {
            instruction.Code = general;
        }
    }

    private static Code[] Create()
    {
        Code[] general = new Code[(int)Enum.GetValues<Code>().Max() + 1];
        foreach (string mnemonic in (ReadOnlySpan<string>)["Add", "Or", "Adc", "Sbb", "And", "Sub", "Xor", "Cmp", "Test"])
        {
            foreach ((string form, string replacement) in (ReadOnlySpan<(string, string)>)
                [("AL_imm8", "rm8_imm8"), ("AX_imm16", "rm16_imm16"), ("EAX_imm32", "rm32_imm32"), ("RAX_imm32", "rm64_imm32")])
            {
                general[(int)Enum.Parse<Code>($"{mnemonic}_{form}")] = Enum.Parse<Code>($"{mnemonic}_{replacement}");
            }
        }

        general[(int)Code.Xchg_r16_AX] = Code.Xchg_rm16_r16;
        general[(int)Code.Xchg_r32_EAX] = Code.Xchg_rm32_r32;
        general[(int)Code.Xchg_r64_RAX] = Code.Xchg_rm64_r64;
        return general;
    }
}
