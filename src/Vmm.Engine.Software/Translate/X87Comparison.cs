using Vmm.Engine.Software.Instructions.X87;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>Tells where the x87 state that translated code left differs from the interpreter's.</summary>
internal static unsafe class X87Comparison
{
    /// <summary>The first difference, or null.</summary>
    public static string? Difference(CpuState* translated, CpuState* interpreted)
    {
        ReadOnlySpan<(string Name, ulong Translated, ulong Interpreted)> words =
        [
            ("control word", translated->FpuControl, interpreted->FpuControl),
            ("status word", X87Control.Status(translated), X87Control.Status(interpreted)),
            ("empty registers", translated->FpuTagsEmpty, interpreted->FpuTagsEmpty),
            ("last instruction", translated->FpuLastInstruction, interpreted->FpuLastInstruction),
            ("last opcode", translated->FpuLastOpcode, interpreted->FpuLastOpcode),
            ("last operand", translated->FpuLastData, interpreted->FpuLastData),
        ];
        foreach ((string name, ulong value, ulong expected) in words)
        {
            if (value != expected)
            {
                return $"x87 {name}: translated {value:x}, interpreted {expected:x}";
            }
        }

        for (int n = 0; n < 8; n++)
        {
            ExtendedReal value = X87Registers.Physical(translated, n);
            ExtendedReal expected = X87Registers.Physical(interpreted, n);
            if (value != expected)
            {
                return $"x87 register {n}: translated {value.SignExponent:x4}:{value.Significand:x16}, interpreted {expected.SignExponent:x4}:{expected.Significand:x16}";
            }
        }

        return null;
    }
}
