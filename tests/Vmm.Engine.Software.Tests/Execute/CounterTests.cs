using Iced.Intel;
using Vmm.Engine.Software.Tests.Differential.Native;
using Vmm.Engine.Software.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Execute;

/// <summary>What <c>vmm stat</c> shows of the engine.</summary>
public sealed class CounterTests
{
    private const int Pages = 10;
    private const int Rounds = 1_000;

    [NativeFact]
    public void Time_in_a_hot_loop_is_time_in_translated_code()
    {
        using TestMachine machine = new();
        RunUntil(machine, "in translated code, us");
        Assert.True(Count(machine, "in translated code, us") > Count(machine, "interpreting, us"));
    }

    [Fact]
    public void Time_without_a_translator_is_time_interpreting()
    {
        using TestMachine machine = new(tier: ExecutionTier.Interpreter);
        RunUntil(machine, "interpreting, us");
        Assert.DoesNotContain(machine.Processor.Counters, counter => counter.Key == "in translated code, us");
    }

    [Theory]
    [InlineData(ExecutionTier.Interpreter)]
    [InlineData(ExecutionTier.Translator)]
    public void The_first_access_of_a_kind_to_a_page_is_a_miss_and_no_other_is(ExecutionTier tier)
    {
        using TestMachine machine = new(tier: tier);
        machine.Run(a =>
        {
            for (int n = 0; n < 2 * Pages; n++)
            {
                a.mov(rax, __qword_ptr[(long)TestMachine.DataAddress + n % Pages * 0x1000]);
            }
        });
        Assert.Equal((Pages, 0), (Count(machine, "tlb misses of reads"), Count(machine, "tlb misses of writes")));
        machine.Run(a =>
        {
            for (int n = 0; n < 2 * Pages; n++)
            {
                a.mov(__qword_ptr[(long)TestMachine.DataAddress + n % Pages * 0x1000], rax);
            }
        });
        Assert.Equal((Pages, Pages), (Count(machine, "tlb misses of reads"), Count(machine, "tlb misses of writes")));
        Assert.InRange(Count(machine, "tlb misses of fetches"), 1, 4);
    }

    [NativeFact]
    public void Jumps_of_a_loop_are_chain_hits_where_blocks_are_counted()
    {
        using TestMachine machine = new(countsBlocks: true);
        machine.Run(Loop(Rounds));
        Assert.InRange(Count(machine, "translated blocks run"), Rounds - 2, Rounds + 2);
        Assert.InRange(Count(machine, "chain hits"), Rounds - 5, Rounds);
    }

    [NativeFact]
    public void Blocks_that_lockstep_compares_are_counted()
    {
        using TestMachine machine = new(tier: ExecutionTier.Lockstep);
        machine.Run(Loop(Rounds));
        Assert.InRange(Count(machine, "blocks compared"), Rounds - 2, Rounds + 2);
    }

    private static Action<Assembler> Loop(int rounds) => a =>
    {
        Label again = a.CreateLabel();
        a.mov(ecx, rounds);
        a.Label(ref again);
        a.dec(ecx);
        a.jne(again);
    };

    // How often the clock looks is up to the host.
    private static void RunUntil(TestMachine machine, string counter)
    {
        DateTime deadline = DateTime.UtcNow.AddMinutes(1);
        while (Count(machine, counter) == 0)
        {
            Assert.True(DateTime.UtcNow < deadline, $"'{counter}' stayed 0.");
            machine.Run(Loop(20_000_000));
        }
    }

    private static long Count(TestMachine machine, string counter) => machine.Processor.Counters.Single(pair => pair.Key == counter).Value;
}
