using Vmm.Plugins.RoundRobin;
using Vmm.Sdk;

namespace Vmm.Plugins.Tests.RoundRobin;

public sealed class RoundRobinSchedulerTests
{
    private const long Millisecond = 1_000_000;
    private const long Second = 1_000 * Millisecond;

    private static readonly VcpuId First = new(1, 0);
    private static readonly VcpuId Other = new(1, 1);
    private static readonly VcpuId Third = new(2, 0);

    private readonly RoundRobinScheduler _scheduler = new(new RoundRobinOptions());

    [Fact]
    public void Nothing_is_picked_when_nobody_is_runnable()
    {
        _scheduler.Add(First, 100);

        Assert.False(_scheduler.PickNext(0, out _));
    }

    [Fact]
    public void A_processor_is_not_given_to_two_threads()
    {
        Start(First, 100);

        Assert.Equal(First, Pick().Vcpu);
        Assert.False(_scheduler.PickNext(1, out _));
    }

    [Fact]
    public void The_quantum_is_10_ms_by_default_and_follows_the_option()
    {
        Start(First, 100);
        Assert.Equal(10 * Millisecond, Pick().QuantumNanoseconds);

        var slow = new RoundRobinScheduler(new RoundRobinOptions { Quantum = 25 });
        slow.Add(First, 100);
        slow.Wake(First);
        Assert.True(slow.PickNext(0, out var decision));
        Assert.Equal(25 * Millisecond, decision.QuantumNanoseconds);
    }

    [Fact]
    public void Processors_take_turns_in_the_order_of_their_wakes()
    {
        Start(First, 100);
        Start(Other, 100);
        Start(Third, 100);

        List<VcpuId> order = [];
        for (int turn = 0; turn < 6; turn++)
        {
            var decision = Pick();
            order.Add(decision.Vcpu);
            _scheduler.Account(decision.Vcpu, decision.QuantumNanoseconds);
        }

        Assert.Equal([First, Other, Third, First, Other, Third], order);
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 5)]
    [InlineData(4, 7)]
    public void Equal_weights_get_equal_time_on_any_number_of_threads(int threads, int processors)
    {
        for (int i = 0; i < processors; i++)
        {
            Start(new VcpuId(1, i), 100);
        }

        var pool = new PoolSimulation(_scheduler, threads);
        pool.RunUntil(10 * Second);

        double fair = pool.Now * threads / (double)processors;
        Assert.All(pool.RunTime.Values, time => Assert.InRange(time, 0.98 * fair, 1.02 * fair));
    }

    [Fact]
    public void Time_is_shared_by_weight()
    {
        Start(First, 100);
        Start(Other, 300);

        var pool = new PoolSimulation(_scheduler, threads: 1);
        pool.RunUntil(10 * Second);

        Assert.InRange(pool.RunTime[Other] / (double)pool.RunTime[First], 2.95, 3.05);
    }

    [Fact]
    public void One_that_is_kicked_all_the_time_gets_its_share_and_no_more()
    {
        Start(First, 100);
        Start(Other, 100);

        var pool = new PoolSimulation(_scheduler, threads: 1)
        {
            Run = (vcpu, quantum) => vcpu == First ? Math.Min(quantum, Millisecond / 3) : quantum,
        };
        pool.RunUntil(10 * Second);

        Assert.InRange(pool.RunTime[First] / (double)pool.RunTime[Other], 0.95, 1.05);
    }

    [Fact]
    public void One_that_overruns_pays_it_back_in_its_next_turns()
    {
        Start(First, 100);
        Start(Other, 100);

        var pool = new PoolSimulation(_scheduler, threads: 1)
        {
            Run = (vcpu, quantum) => vcpu == First ? quantum + (5 * Millisecond) : quantum,
        };
        pool.RunUntil(10 * Second);

        Assert.InRange(pool.RunTime[First] / (double)pool.RunTime[Other], 0.95, 1.05);
    }

    [Fact]
    public void A_stall_of_the_host_is_not_held_against_a_processor_for_more_than_a_round()
    {
        Start(First, 100);
        Start(Other, 100);
        Assert.Equal(First, Pick().Vcpu);
        _scheduler.Account(First, 60 * Second);

        RunOneTurn(Other);
        RunOneTurn(Other);
        RunOneTurn(First);
    }

    [Fact]
    public void A_wake_with_time_left_comes_before_those_that_wait_for_a_new_turn()
    {
        Start(First, 100);
        Start(Other, 100);
        Start(Third, 100);
        Assert.Equal(First, Pick().Vcpu);
        _scheduler.Account(First, 2 * Millisecond);
        _scheduler.Block(First);
        RunOneTurn(Other);

        _scheduler.Wake(First);

        var decision = Pick();
        Assert.Equal(First, decision.Vcpu);
        Assert.Equal(8 * Millisecond, decision.QuantumNanoseconds);
    }

    [Fact]
    public void A_wake_after_a_whole_turn_waits_for_the_others()
    {
        Start(First, 100);
        Start(Other, 100);
        RunOneTurn(First);
        _scheduler.Block(First);

        _scheduler.Wake(First);

        RunOneTurn(Other);
        RunOneTurn(First);
    }

    [Fact]
    public void One_that_sleeps_and_wakes_at_once_does_not_starve_the_others()
    {
        Start(First, 100);
        Start(Other, 100);
        long first = 0, second = 0;
        while (first + second < Second)
        {
            var decision = Pick();
            if (decision.Vcpu == First)
            {
                _scheduler.Account(First, Millisecond);
                _scheduler.Block(First);
                _scheduler.Wake(First);
                first += Millisecond;
            }
            else
            {
                _scheduler.Account(Other, decision.QuantumNanoseconds);
                second += decision.QuantumNanoseconds;
            }
        }

        Assert.InRange(first / (double)second, 0.95, 1.05);
    }

    [Fact]
    public void A_blocked_processor_is_not_picked_until_it_wakes()
    {
        Start(First, 100);
        RunOneTurn(First);
        _scheduler.Block(First);
        Assert.False(_scheduler.PickNext(0, out _));

        _scheduler.Wake(First);
        _scheduler.Wake(First);

        Assert.Equal(First, Pick().Vcpu);
        Assert.False(_scheduler.PickNext(1, out _));
    }

    [Fact]
    public void A_removed_processor_is_never_named_again()
    {
        Start(First, 100);
        Start(Other, 100);

        _scheduler.Remove(First);
        _scheduler.Wake(First);
        _scheduler.Account(First, Millisecond);

        RunOneTurn(Other);
        RunOneTurn(Other);
    }

    [Fact]
    public void A_running_processor_can_be_removed()
    {
        Start(First, 100);
        Pick();

        _scheduler.Remove(First);
        _scheduler.Account(First, Millisecond);

        Assert.False(_scheduler.PickNext(0, out _));
    }

    private void Start(VcpuId vcpu, int weight)
    {
        _scheduler.Add(vcpu, weight);
        _scheduler.Wake(vcpu);
    }

    private SchedulingDecision Pick()
    {
        Assert.True(_scheduler.PickNext(0, out var decision));
        return decision;
    }

    private void RunOneTurn(VcpuId expected)
    {
        var decision = Pick();
        Assert.Equal(expected, decision.Vcpu);
        _scheduler.Account(expected, decision.QuantumNanoseconds);
    }
}
