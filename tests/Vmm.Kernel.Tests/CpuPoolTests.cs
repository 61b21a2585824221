namespace Vmm.Kernel.Tests;

public sealed class CpuPoolTests
{
    private readonly RecordingLog _log = new();

    [Fact]
    public void The_minimal_round_robin_runs_everybody_in_turn()
    {
        using var pool = new CpuPool("p", 1, _log);
        var order = new List<int>();
        using var allReady = new ManualResetEventSlim();
        Worker[] workers = [.. Enumerable.Range(0, 3).Select(i => new Worker(i, runs: 3, order) { OnRun = () => allReady.Wait(20_000) })];
        StartAll(pool, workers, allReady);
        Assert.Equal([0, 1, 2, 0, 1, 2, 0, 1, 2], order);
    }

    [Fact]
    public void A_scheduler_that_throws_is_replaced_and_everybody_runs_on()
    {
        using var pool = new CpuPool("p", 2, _log, new Scripted { OnPick = _ => throw new InvalidOperationException("confused") }, "broken");
        StartAll(pool, [new Worker(0, 3, []), new Worker(1, 3, [])]);
        Assert.Equal("minimal round robin", pool.SchedulerName);
        var message = Assert.Single(_log.Messages).Message;
        Assert.Contains("'broken'", message);
        Assert.Contains("confused", message);
    }

    [Fact]
    public void A_scheduler_that_picks_who_is_not_runnable_is_replaced()
    {
        using var pool = new CpuPool("p", 1, _log, new Scripted { OnPick = _ => new SchedulingDecision(new VcpuId(9, 9), 1) }, "wrong");
        StartAll(pool, [new Worker(0, 2, [])]);
        Assert.Contains("not runnable", Assert.Single(_log.Messages).Message);
    }

    [Fact]
    public void A_scheduler_that_takes_too_long_is_replaced()
    {
        using var slow = new ManualResetEventSlim();
        using var pool = new CpuPool("p", 1, _log, new Scripted { OnWake = () => slow.Wait(400) }, "slow");
        StartAll(pool, [new Worker(0, 2, [])]);
        Assert.Contains("longer than", Assert.Single(_log.Messages).Message);
    }

    [Theory]
    [InlineData(1, 100_000)]
    [InlineData(5_000_000, 5_000_000)]
    [InlineData(long.MaxValue, 1_000_000_000)]
    public void A_quantum_is_bounded(long asked, long given)
    {
        var worker = new Worker(0, 1, []);
        using var pool = new CpuPool("p", 1, _log, new Scripted { Quantum = asked }, "q");
        StartAll(pool, [worker]);
        Assert.Equal(given, worker.LastQuantum);
    }

    [Theory]
    [InlineData("wake")]
    [InlineData("pick")]
    [InlineData("account")]
    public void A_scheduler_that_never_returns_is_replaced_and_everybody_runs_on(string where)
    {
        using var never = new ManualResetEventSlim();
        void Block(string call)
        {
            if (call == where)
            {
                never.Wait();
            }
        }

        using (var pool = new CpuPool("p", 1, _log, new Scripted { OnCall = Block }, "stuck"))
        {
            StartAll(pool, [new Worker(0, 3, []), new Worker(1, 3, [])]);
            Assert.Equal("minimal round robin", pool.SchedulerName);
            string message = Assert.Single(_log.Messages).Message;
            Assert.Contains("'stuck'", message);
            Assert.Contains("longer than", message);
        }

        never.Set();
    }

    [Fact]
    public void Nobody_who_wakes_or_removes_a_processor_waits_for_the_scheduler()
    {
        using var asked = new ManualResetEventSlim();
        using var never = new ManualResetEventSlim();
        void Block(string call)
        {
            asked.Set();
            never.Wait();
        }

        using (var pool = new CpuPool("p", 1, _log, new Scripted { OnCall = Block }, "stuck"))
        {
            Assert.True(asked.Wait(20_000));
            PoolMember member = pool.Add(new Worker(0, 1, []), 100);
            pool.Unpark(member);
            pool.Wake(member);
            pool.Remove(member);
        }

        never.Set();
    }

    [Fact]
    public void A_scheduler_that_took_the_place_of_a_stuck_one_keeps_it()
    {
        using var asked = new ManualResetEventSlim();
        using var never = new ManualResetEventSlim();
        void Block(string call)
        {
            asked.Set();
            never.Wait();
        }

        using (var pool = new CpuPool("p", 1, _log, new Scripted { OnCall = Block }, "stuck"))
        {
            Assert.True(asked.Wait(20_000));
            pool.UseScheduler("other", new Scripted());
            StartAll(pool, [new Worker(0, 2, [])]);
            Assert.Equal("other", pool.SchedulerName);
            Assert.Empty(_log.Messages);
        }

        never.Set();
    }

    [Fact]
    public void The_scheduler_can_be_changed_while_processors_run()
    {
        using var pool = new CpuPool("p", 1, _log);
        using var gate = new ManualResetEventSlim();
        using var entered = new ManualResetEventSlim();
        var order = new List<int>();
        var blocker = new Worker(0, 2, order)
        {
            OnRun = () =>
            {
                entered.Set();
                gate.Wait(20_000);
            },
        };
        var other = new Worker(1, 2, order);
        PoolMember[] members = [pool.Add(blocker, 100), pool.Add(other, 100)];
        Array.ForEach(members, pool.Unpark);
        pool.Wake(members[0]);
        Assert.True(entered.Wait(20_000));
        pool.Wake(members[1]);
        pool.UseScheduler("other", new MinimalRoundRobin());
        gate.Set();
        Assert.True(blocker.Finished.Wait(20_000) && other.Finished.Wait(20_000));
        Assert.Equal("other", pool.SchedulerName);
        Assert.Empty(_log.Messages);
    }

    [Fact]
    public void A_parked_processor_does_not_run_until_it_is_allowed_to()
    {
        using var pool = new CpuPool("p", 1, _log);
        var worker = new Worker(0, 1, []);
        var after = new Worker(1, 1, []);
        PoolMember member = pool.Add(worker, 100);
        PoolMember next = pool.Add(after, 100);
        pool.Wake(member);
        pool.Unpark(next);
        pool.Wake(next);
        Assert.True(after.Finished.Wait(20_000));
        Assert.False(worker.Finished.IsSet);
        pool.Unpark(member);
        Assert.True(worker.Finished.Wait(20_000));
    }

    [Fact]
    public void Parking_waits_until_no_thread_runs_the_processor()
    {
        using var pool = new CpuPool("p", 1, _log);
        using var entered = new ManualResetEventSlim();
        bool left = false;
        var worker = new Worker(0, 1, []) { OnRun = () => entered.Set() };
        worker.OnExitRequested = () => left = true;
        worker.RunUntilExitRequested = true;
        PoolMember member = pool.Add(worker, 100);
        pool.Unpark(member);
        pool.Wake(member);
        Assert.True(entered.Wait(20_000));
        pool.Park(member);
        Assert.True(left);
        Assert.False(member.Running);
    }

    [Fact]
    public void A_wake_during_the_run_is_not_lost()
    {
        using var pool = new CpuPool("p", 1, _log);
        PoolMember? member = null;
        var worker = new Worker(0, 2, []) { Blocks = true };
        worker.OnRun = () => pool.Wake(member!);
        member = pool.Add(worker, 100);
        pool.Unpark(member);
        pool.Wake(member);
        Assert.True(worker.Finished.Wait(20_000));
    }

    [Fact]
    public void Two_processors_with_one_name_are_refused()
    {
        using var pool = new CpuPool("p", 1, _log);
        pool.Add(new Worker(0, 1, []), 100);
        Assert.Throws<InvalidOperationException>(() => pool.Add(new Worker(0, 1, []), 100));
    }

    private static void StartAll(CpuPool pool, Worker[] workers, ManualResetEventSlim? allReady = null)
    {
        PoolMember[] members = [.. workers.Select(w => pool.Add(w, 100))];
        Array.ForEach(members, pool.Wake);
        Array.ForEach(members, pool.Unpark);
        allReady?.Set();
        Assert.All(workers, w => Assert.True(w.Finished.Wait(20_000), "A processor did not run."));
    }

    private sealed class Worker(int index, int runs, List<int> order) : IPooledProcessor
    {
        private readonly ManualResetEventSlim _exit = new();
        private int _left = runs;

        public VcpuId Id { get; } = new(1, index);

        public ManualResetEventSlim Finished { get; } = new();

        public Action? OnRun { get; set; }

        public Action? OnExitRequested { get; set; }

        public bool RunUntilExitRequested { get; set; }

        public bool Blocks { get; set; }

        public long LastQuantum { get; private set; }

        public PooledRunResult Run(long quantumNanoseconds)
        {
            LastQuantum = quantumNanoseconds;
            lock (order)
            {
                order.Add(index);
            }

            OnRun?.Invoke();
            if (RunUntilExitRequested)
            {
                Assert.True(_exit.Wait(20_000));
                OnExitRequested?.Invoke();
            }

            if (--_left == 0)
            {
                Finished.Set();
                return PooledRunResult.Blocked;
            }

            return Blocks ? PooledRunResult.Blocked : PooledRunResult.Runnable;
        }

        public void RequestExit() => _exit.Set();
    }

    /// <summary>A round robin with something wrong.</summary>
    private sealed class Scripted : IVcpuScheduler
    {
        private readonly MinimalRoundRobin _inner = new();

        public Func<int, SchedulingDecision>? OnPick { get; init; }

        public Action? OnWake { get; init; }

        public long? Quantum { get; init; }

        /// <summary>Called first by each of the calls that a running processor causes.</summary>
        public Action<string>? OnCall { get; init; }

        public void Add(VcpuId vcpu, int weight) => _inner.Add(vcpu, weight);

        public void Remove(VcpuId vcpu) => _inner.Remove(vcpu);

        public void Wake(VcpuId vcpu)
        {
            OnCall?.Invoke("wake");
            OnWake?.Invoke();
            _inner.Wake(vcpu);
        }

        public void Block(VcpuId vcpu) => _inner.Block(vcpu);

        public bool PickNext(int thread, out SchedulingDecision decision)
        {
            OnCall?.Invoke("pick");
            if (OnPick is not null)
            {
                decision = OnPick(thread);
                return true;
            }

            bool picked = _inner.PickNext(thread, out decision);
            decision = new SchedulingDecision(decision.Vcpu, Quantum ?? decision.QuantumNanoseconds);
            return picked;
        }

        public void Account(VcpuId vcpu, long ranNanoseconds)
        {
            OnCall?.Invoke("account");
            _inner.Account(vcpu, ranNanoseconds);
        }
    }
}
