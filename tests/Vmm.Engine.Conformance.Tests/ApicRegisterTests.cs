using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Interrupts;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>KVM's form of a local APIC's registers and the engine-neutral one; timers above all, which may have expired.</summary>
public sealed class ApicRegisterTests
{
    private const int InService = 0x10, InterruptRequest = 0x20, LvtTimer = 0x32, InitialCount = 0x38, CurrentCount = 0x39, Divide = 0x3E;
    private const uint Vector = 0x41, Periodic = 1 << 17, TimestampDeadline = 2 << 17, Masked = 1 << 16;
    private const ulong Base = 0xFEE0_0900;
    private const long Now = 1_000_000;

    [Theory]
    [InlineData(Vector)]
    [InlineData(Vector | Periodic)]
    public void A_timer_that_counts_expires_when_the_count_is_over(uint entry) =>
        Assert.Equal(Now + (2 * 300), Read(Page(entry, current: 300)).TimerExpiry);

    [Theory]
    [InlineData(Vector)]
    [InlineData(Vector | Periodic)]
    public void A_timer_without_initial_count_stands(uint entry) =>
        Assert.Null(Read(Page(entry, initial: 0, current: 0)).TimerExpiry);

    [Theory]
    [InlineData(Vector | Periodic)]
    [InlineData(Vector | Periodic | Masked)]
    public void A_periodic_timer_at_its_expiry_goes_on(uint entry)
    {
        LocalApicState state = Read(Page(entry, current: 0));
        Assert.Equal(Now, state.TimerExpiry);
        KvmLapicState back = ApicRegisters.Write(state, Now);
        Assert.Equal((1000u, 1u), (Register(back, InitialCount), Register(back, CurrentCount)));
    }

    [Fact]
    public void A_shot_whose_interrupt_nobody_has_seen_is_fired_after_the_pause()
    {
        LocalApicState state = Read(Page(Vector, current: 0));
        Assert.Equal(Now, state.TimerExpiry);
        KvmLapicState back = ApicRegisters.Write(state, Now + 5000);
        Assert.Equal((1000u, 1u), (Register(back, InitialCount), Register(back, CurrentCount)));
    }

    [Theory]
    [InlineData(InterruptRequest)]
    [InlineData(InService)]
    public void A_shot_whose_interrupt_waits_or_is_in_service_is_over(int set)
    {
        KvmLapicState page = Page(Vector, current: 0);
        SetRegister(ref page, set + (int)(Vector / 32), 1u << (int)(Vector % 32));
        LocalApicState state = Read(page);
        Assert.Null(state.TimerExpiry);
        Assert.Equal(0u, Register(ApicRegisters.Write(state, Now), InitialCount));
    }

    [Theory]
    [InlineData(Vector | Masked)]
    [InlineData(Vector | TimestampDeadline)]
    public void A_shot_that_interrupts_nobody_and_a_deadline_have_no_expiry(uint entry) =>
        Assert.Null(Read(Page(entry, current: 0)).TimerExpiry);

    private static LocalApicState Read(KvmLapicState page) => ApicRegisters.Read(in page, Base, Now);

    private static KvmLapicState Page(uint entry, uint current, uint initial = 1000)
    {
        KvmLapicState page = default;
        SetRegister(ref page, LvtTimer, entry);
        SetRegister(ref page, InitialCount, initial);
        SetRegister(ref page, CurrentCount, current);
        SetRegister(ref page, Divide, 0); // by 2
        return page;
    }

    private static unsafe void SetRegister(ref KvmLapicState page, int number, uint value) => page.Registers[4 * number] = value;

    private static unsafe uint Register(KvmLapicState page, int number) => page.Registers[4 * number];
}
