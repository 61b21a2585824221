using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;

namespace Vmm.Engine.Software.Tests.Integer;

/// <summary>A fused pair does what its two instructions do one after the other.</summary>
public sealed unsafe class FusedBranchTests
{
    // ModR/M 0xD8 or 0xF8: RAX with RBX, or the immediate form on RAX.
    private static readonly byte[][] Comparisons =
    [
        [0x38, 0xD8], [0x66, 0x39, 0xD8], [0x39, 0xD8], [0x48, 0x39, 0xD8], [0x3A, 0xC3], [0x48, 0x3B, 0xC3],
        [0x3C, 0x80], [0x80, 0xF8, 0x7F], [0x66, 0x83, 0xF8, 0xFF], [0x66, 0x3D, 0, 0x80], [0x83, 0xF8, 0x80],
        [0x3D, 0xFF, 0xFF, 0xFF, 0x7F], [0x81, 0xF8, 0, 0, 0, 0x80], [0x48, 0x83, 0xF8, 0], [0x48, 0x3D, 0, 0, 0, 0x80],
        [0x84, 0xD8], [0x66, 0x85, 0xD8], [0x85, 0xD8], [0x48, 0x85, 0xD8], [0xA8, 0x80], [0xF6, 0xC0, 1],
        [0xA9, 0, 0, 0, 0x80], [0xF7, 0xC0, 1, 0, 0, 0], [0x48, 0xA9, 0, 0, 0, 0x80], [0x48, 0xF7, 0xC0, 2, 0, 0, 0],
    ];

    private static readonly ulong[] Values =
        [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1UL << 63, long.MaxValue, ulong.MaxValue];

    [Theory]
    [MemberData(nameof(Conditions))]
    public void All_comparisons_with_a_condition_branch_as_they_do_unfused(int condition)
    {
        using TestMachine machine = new(tier: ExecutionTier.Interpreter);
        CpuState* s = machine.State;
        foreach (byte[] comparison in Comparisons)
        {
            machine.Load([.. comparison, (byte)(0x70 + condition), 0x10]);
            foreach (ulong a in Values)
            {
                foreach (ulong b in Values)
                {
                    (s->Gpr.Rax, s->Gpr.Rbx, s->Rip) = (a, b, TestMachine.CodeAddress);
                    machine.Step();
                    machine.Step();
                    (ulong rip, ulong flags) = (s->Rip, ArithmeticFlags.Read(s));
                    s->Rip = TestMachine.CodeAddress;
                    ulong before = s->InstructionsRetired;
                    machine.Processor.RunBlock();
                    Assert.True(
                        rip == s->Rip && flags == ArithmeticFlags.Read(s),
                        $"{Convert.ToHexString(comparison)}, condition {condition}, 0x{a:x} and 0x{b:x}");
                    Assert.Equal(before + 2, s->InstructionsRetired);
                }
            }
        }
    }

    public static TheoryData<int> Conditions() => [.. Enumerable.Range(0, 16)];
}
