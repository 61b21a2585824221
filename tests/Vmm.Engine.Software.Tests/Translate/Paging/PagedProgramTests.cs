using Vmm.Engine.Software.Tests.Differential.Native;
using Xunit.Abstractions;

namespace Vmm.Engine.Software.Tests.Translate.Paging;

/// <summary>
/// Programs that change their address spaces, in all tiers, against an interpreter that walks the paging structures anew
/// for every block. <c>VMM_NIGHTLY=1</c> runs more of them; <c>VMM_PROGRAM</c>
/// one, by its number.
/// </summary>
public sealed class PagedProgramTests(ITestOutputHelper output)
{
    [NativeFact]
    public void Paged_programs_show_the_same_at_every_fault_in_all_tiers()
    {
        long faults = 0;
        foreach (int program in Programs())
        {
            using PagedMachine reference = new PagedMachine(program, ExecutionTier.Interpreter).RunWithoutCaches();
            faults += reference.States.Count;
            foreach (ExecutionTier tier in Enum.GetValues<ExecutionTier>())
            {
                using PagedMachine other = new PagedMachine(program, tier, threshold: (uint)(program % 3) + 1).Run();
                for (int n = 0; n < Math.Min(reference.States.Count, other.States.Count); n++)
                {
                    string? difference = reference.States[n].Difference(other.States[n]);
                    Assert.True(difference == null, $"program {program}, {tier}, state {n} of {reference.States.Count}: {difference}");
                }

                Assert.True(reference.States.Count == other.States.Count, $"program {program}, {tier}: number of states");
            }
        }

        output.WriteLine($"{faults} states");
    }

    [NativeFact]
    public void Paged_programs_are_the_same_after_every_block_in_both_tiers()
    {
        long blocks = 0;
        foreach (int program in Programs())
        {
            using PagedMachine interpreted = new(program, ExecutionTier.Interpreter);
            using PagedMachine translated = new(program, ExecutionTier.Lockstep);
            while (!interpreted.IsHalted)
            {
                interpreted.StepWithoutCaches();
                translated.Step();
                string? difference = interpreted.Show().Difference(translated.Show());
                Assert.True(difference == null, $"program {program}: {difference}");
                blocks++;
            }
        }

        output.WriteLine($"{blocks} blocks");
    }

    private IEnumerable<int> Programs()
    {
        int count = Environment.GetEnvironmentVariable("VMM_NIGHTLY") == "1" ? 2_000 : 20;
        int first = Environment.TickCount & 0xFFFFFF;
        if (int.TryParse(Environment.GetEnvironmentVariable("VMM_PROGRAM"), out int only))
        {
            (first, count) = (only, 1);
        }

        output.WriteLine($"{count} programs from number {first} on");
        return Enumerable.Range(first, count);
    }
}
