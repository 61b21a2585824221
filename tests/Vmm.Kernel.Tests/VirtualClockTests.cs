namespace Vmm.Kernel.Tests;

public sealed class VirtualClockTests
{
    private readonly ManualTime _time = new();
    private readonly VirtualClock _clock;

    public VirtualClockTests() => _clock = new VirtualClock(_time);

    [Fact]
    public void Time_starts_at_zero_and_runs_only_while_started()
    {
        _time.Advance(100);
        Assert.Equal(0, _clock.NowNanoseconds);
        _clock.Start();
        _time.Advance(50);
        _clock.Stop();
        _time.Advance(1000);
        Assert.Equal(50, _clock.NowNanoseconds);
        _clock.Start();
        _time.Advance(7);
        Assert.Equal(57, _clock.NowNanoseconds);
        Assert.Equal(57UL, _clock.Timestamp);
        Assert.Equal(1_000_000_000UL, _clock.Frequency);
    }

    [Fact]
    public void Timers_expire_in_the_order_of_their_deadlines()
    {
        _clock.Start();
        var order = new List<string>();
        _clock.CreateTimer("b", () => order.Add("b")).Arm(200);
        _clock.CreateTimer("a", () => order.Add("a")).Arm(100);
        _clock.CreateTimer("c", () => order.Add("c")).Arm(300);
        Pass(250);
        Assert.Equal(["a", "b"], order);
        Assert.Equal(300, _clock.NextDeadline);
    }

    [Fact]
    public void A_rearmed_timer_expires_once_at_its_new_time()
    {
        _clock.Start();
        int expired = 0;
        IVirtualTimer timer = _clock.CreateTimer("t", () => expired++);
        timer.Arm(100);
        timer.Arm(500);
        Pass(200);
        Assert.Equal(0, expired);
        Assert.Equal(500, timer.Deadline);
        Pass(300);
        Assert.Equal(1, expired);
        Assert.Null(timer.Deadline);
    }

    [Fact]
    public void A_cancelled_timer_does_not_expire()
    {
        _clock.Start();
        IVirtualTimer timer = _clock.CreateTimer("t", () => Assert.Fail("It was cancelled."));
        timer.Arm(100);
        timer.Cancel();
        Pass(200);
        Assert.Null(timer.Deadline);
    }

    [Fact]
    public async Task A_callback_that_waits_for_the_gate_while_the_timer_is_cancelled_does_not_run()
    {
        _clock.Start();
        var device = new DeviceInstance("d", (_, _, e) => throw e);
        IVirtualTimer timer = _clock.CreateTimer(device, () => Assert.Fail("It was cancelled under the gate."));
        timer.Arm(100);
        _time.Advance(100);
        Task running;
        lock (device.Gate)
        {
            running = Task.Run(_clock.RunDue);
            Assert.True(SpinWait.SpinUntil(() => _clock.NextDeadline == long.MaxValue, 10_000), "The timer was not taken.");
            timer.Cancel();
        }

        await running.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public void A_timer_armed_in_the_past_expires_though_never_inside_the_call()
    {
        _clock.Start();
        _time.Advance(1000);
        int expired = 0;
        _clock.CreateTimer("t", () => expired++).Arm(10);
        Assert.Equal(0, expired);
        _clock.RunDue();
        Assert.Equal(1, expired);
    }

    [Fact]
    public void A_timer_may_arm_itself_again()
    {
        _clock.Start();
        int expired = 0;
        IVirtualTimer? timer = null;
        timer = _clock.CreateTimer("t", () =>
        {
            expired++;
            timer!.Arm((expired + 1) * 100);
        });
        timer.Arm(100);
        Pass(350);
        Assert.Equal(3, expired);
    }

    [Fact]
    public void Many_timers_armed_again_and_again_expire_in_order_and_once_an_arming()
    {
        _clock.Start();
        var random = new Random(20261123);
        var expired = new List<(int Timer, long Deadline)>();
        var deadlines = new long?[50];
        IVirtualTimer[] timers = [.. Enumerable.Range(0, deadlines.Length).Select(i => _clock.CreateTimer($"t{i}", () => expired.Add((i, deadlines[i]!.Value))))];
        for (int round = 0; round < 200; round++)
        {
            for (int i = 0; i < 100; i++)
            {
                int timer = random.Next(timers.Length);
                bool cancel = random.Next(5) == 0;
                deadlines[timer] = cancel ? null : _clock.NowNanoseconds + random.Next(1000);
                if (cancel)
                {
                    timers[timer].Cancel();
                }
                else
                {
                    timers[timer].Arm(deadlines[timer]!.Value);
                }
            }

            expired.Clear();
            Pass(random.Next(800));
            long now = _clock.NowNanoseconds;
            Assert.Equal(expired.Select(e => e.Deadline).Order(), expired.Select(e => e.Deadline));
            Assert.Equal(deadlines.Index().Where(d => d.Item <= now).Select(d => d.Index), expired.Select(e => e.Timer).Order());
            expired.ForEach(e => deadlines[e.Timer] = null);
            Assert.Equal(deadlines.Min() ?? long.MaxValue, _clock.NextDeadline);
        }
    }

    [Fact]
    public void A_running_vm_runs_its_timers_close_to_their_time()
    {
        using var bench = new TestBench();
        using var expired = new ManualResetEventSlim();
        long late = 0;
        DeviceContext context = bench.Machine.CreateDeviceContext("timer");
        IVirtualTimer timer = context.Clock.CreateTimer("t", () =>
        {
            late = context.Clock.NowNanoseconds - 20_000_000;
            expired.Set();
        });
        timer.Arm(20_000_000);
        bench.Machine.Start();
        Assert.True(expired.Wait(TimeSpan.FromSeconds(20)));
        Assert.InRange(late, 0, 500_000_000);
    }

    private void Pass(long nanoseconds)
    {
        _time.Advance(nanoseconds);
        _clock.RunDue();
    }
}
