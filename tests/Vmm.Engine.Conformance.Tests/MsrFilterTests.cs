using Vmm.Engine.Kvm;
using Vmm.Engine.Kvm.Memory;
using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>The MSR filter that the processors of a VM share.</summary>
public sealed class MsrFilterTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private readonly HostPages _pages = new(36);

    [Fact]
    public void A_bitmap_that_is_in_force_is_not_set_again()
    {
        int sets = 0;
        var filter = new MsrFilter(_pages, (ref _) => sets++);
        HostPage page = _pages.Allocate();
        filter.Apply(page.PhysicalAddress);
        filter.Apply(page.PhysicalAddress);
        Assert.Equal(1, sets);
        page.Memory.Span[7] = 1;
        filter.Apply(page.PhysicalAddress);
        Assert.Equal(2, sets);
    }

    [Fact]
    public void A_bitmap_that_kvm_refused_is_not_in_force()
    {
        bool refuses = true;
        int sets = 0;
        var filter = new MsrFilter(_pages, (ref _) => sets += refuses ? throw new KvmException("refused") : 1);
        HostPage page = _pages.Allocate();
        Assert.Throws<KvmException>(() => filter.Apply(page.PhysicalAddress));
        refuses = false;
        filter.Apply(page.PhysicalAddress);
        Assert.Equal(1, sets);
    }

    /// <summary>Or its guest would run by the filter before.</summary>
    [Fact]
    public async Task A_processor_enters_only_when_the_filter_that_another_one_sets_is_in_force()
    {
        using var setting = new SemaphoreSlim(0);
        using var goOn = new SemaphoreSlim(0);
        bool inForce = false;
        var filter = new MsrFilter(_pages, (ref _) =>
        {
            setting.Release();
            Assert.True(goOn.Wait(Deadline));
            Volatile.Write(ref inForce, true);
        });
        HostPage page = _pages.Allocate();
        page.Memory.Span.Fill(0xFF);
        Task first = Task.Factory.StartNew(() => filter.Apply(page.PhysicalAddress), TaskCreationOptions.LongRunning);
        Assert.True(await setting.WaitAsync(Deadline));
        bool whenSecondEntered = false;
        var second = new Thread(() =>
        {
            filter.Apply(page.PhysicalAddress);
            whenSecondEntered = Volatile.Read(ref inForce);
        });
        second.Start();
        Assert.True(SpinWait.SpinUntil(() => (second.ThreadState & (ThreadState.WaitSleepJoin | ThreadState.Stopped)) != 0, Deadline));
        goOn.Release();
        await first.WaitAsync(Deadline);
        Assert.True(second.Join(Deadline));
        Assert.True(whenSecondEntered);
    }
}
