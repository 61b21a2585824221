using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Differential.Native;
using Vmm.Engine.Software.Tests.Harness;
using Xunit.Abstractions;

namespace Vmm.Engine.Software.Tests.Translate;

/// <summary>
/// Whole programs in both tiers. <c>VMM_NIGHTLY=1</c> runs more of them; <c>VMM_PROGRAM</c> one, by its number.
/// </summary>
public sealed unsafe class RandomProgramTests(ITestOutputHelper output)
{
    private const ulong DataSize = 0x2000;

    [NativeFact]
    public void Blocks_of_random_programs_end_alike_in_both_tiers() => ForAll((number, program) =>
    {
        using TestMachine machine = new(tier: ExecutionTier.Lockstep);
        machine.Run(program.Write);
        Assert.True(machine.Fault is null, $"program {number} ended with {machine.Fault} at {machine.State->Rip:x}");
    });

    [NativeFact]
    public void Random_programs_end_alike_in_both_tiers() => ForAll((number, _) =>
    {
        using TestMachine interpreted = new(tier: ExecutionTier.Interpreter);
        using TestMachine translated = new(tier: ExecutionTier.Translator);
        interpreted.Run(new RandomProgram(number).Write);
        translated.Run(new RandomProgram(number).Write);
        for (int n = 0; n < 16; n++)
        {
            Assert.True(((ulong*)interpreted.State)[n] == ((ulong*)translated.State)[n], $"program {number}: register {n}");
        }

        Assert.True(
            interpreted.Memory.Bytes.Slice((int)TestMachine.DataAddress, (int)DataSize)
                .SequenceEqual(translated.Memory.Bytes.Slice((int)TestMachine.DataAddress, (int)DataSize)),
            $"program {number}: memory");
    });

    private void ForAll(Action<int, RandomProgram> check)
    {
        int count = Environment.GetEnvironmentVariable("VMM_NIGHTLY") == "1" ? 2_000 : 200;
        int first = Environment.TickCount & 0xFFFFFF;
        if (int.TryParse(Environment.GetEnvironmentVariable("VMM_PROGRAM"), out int only))
        {
            (first, count) = (only, 1);
        }

        output.WriteLine($"{count} programs from number {first} on");
        for (int n = first; n < first + count; n++)
        {
            check(n, new RandomProgram(n));
        }
    }
}
