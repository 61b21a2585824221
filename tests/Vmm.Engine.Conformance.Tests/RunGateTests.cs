using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>What keeps processors out of their guests while memory slots are replaced.</summary>
public sealed class RunGateTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private readonly RunGate _gate = new();

    [Fact]
    public async Task A_change_calls_the_processors_out_and_waits_for_them()
    {
        using var inside = new SemaphoreSlim(0);
        using var called = new SemaphoreSlim(0);
        bool left = false;
        RunGate.Pass pass = _gate.Add(() => called.Release());
        Task guest = Task.Factory.StartNew(
            () =>
            {
                pass.Enter();
                inside.Release();
                Assert.True(called.Wait(Deadline));
                Volatile.Write(ref left, true);
                pass.Leave();
            },
            TaskCreationOptions.LongRunning);
        Assert.True(await inside.WaitAsync(Deadline));
        bool leftBefore = false;
        _gate.Change(() => leftBefore = Volatile.Read(ref left));
        await guest.WaitAsync(Deadline);
        Assert.True(leftBefore);
    }

    [Fact]
    public async Task A_processor_enters_only_when_the_change_is_made()
    {
        using var changing = new SemaphoreSlim(0);
        using var goOn = new SemaphoreSlim(0);
        bool made = false;
        RunGate.Pass pass = _gate.Add(() => { });
        Task change = Task.Factory.StartNew(
            () => _gate.Change(() =>
            {
                changing.Release();
                Assert.True(goOn.Wait(Deadline));
                Volatile.Write(ref made, true);
            }),
            TaskCreationOptions.LongRunning);
        Assert.True(await changing.WaitAsync(Deadline));
        bool madeBefore = false;
        var entering = new Thread(() =>
        {
            pass.Enter();
            madeBefore = Volatile.Read(ref made);
            pass.Leave();
        });
        entering.Start();
        Assert.True(SpinWait.SpinUntil(() => (entering.ThreadState & (ThreadState.WaitSleepJoin | ThreadState.Stopped)) != 0, Deadline));
        goOn.Release();
        await change.WaitAsync(Deadline);
        Assert.True(entering.Join(Deadline));
        Assert.True(madeBefore);
    }

    [Fact]
    public void A_change_that_fails_lets_the_processors_in_again()
    {
        RunGate.Pass pass = _gate.Add(() => { });
        Assert.Throws<InvalidOperationException>(() => _gate.Change(() => throw new InvalidOperationException()));
        pass.Enter();
        pass.Leave();
    }
}
