namespace Vmm.Kernel.Tests;

/// <summary>A local APIC goes on as another one did.</summary>
public sealed class LocalApicStateTests
{
    private const uint Expired = 0xEC;

    private readonly ManualTime _time = new();
    private readonly VirtualClock _clock;
    private readonly ApicBus _bus = new(new InterruptFabric());

    public LocalApicStateTests()
    {
        _clock = new VirtualClock(_time);
        _clock.Start();
    }

    [Fact]
    public void Every_register_comes_back()
    {
        LocalApic apic = NewApic();
        Write(apic, ApicRegister.TaskPriority, 0x25);
        Write(apic, ApicRegister.LogicalDestination, 0x0100_0000);
        Write(apic, ApicRegister.DestinationFormat, 0x0FFF_FFFF);
        Write(apic, ApicRegister.LvtTimer, 0x2_0000 | Expired);
        Write(apic, ApicRegister.LvtLint1, 0x400);
        Write(apic, ApicRegister.DivideConfiguration, 0b1011);
        Write(apic, ApicRegister.InitialCount, 1000);
        apic.Accept(new InterruptMessage(0, false, DeliveryMode.Fixed, 0x41, Level: true));
        apic.Accept(new InterruptMessage(0, false, DeliveryMode.Fixed, 0x91, Level: false));
        apic.Acknowledge(0x91);
        apic.Accept(new InterruptMessage(0, false, DeliveryMode.Fixed, 3, Level: false)); // an error that no one has looked at
        LocalApicState state = apic.Save();

        LocalApic other = NewApic();
        other.Restore(state);
        Assert.Equivalent(state, other.Save(), strict: true);
        Assert.Equal(state.Registers, other.Save().Registers);
        Write(other, ApicRegister.EndOfInterrupt, 0);
        Assert.Equal(0x41, other.Deliverable());
        Write(other, ApicRegister.ErrorStatus, 0);
        Assert.Equal((uint)ApicError.ReceiveIllegalVector, Read(other, ApicRegister.ErrorStatus));
    }

    [Fact]
    public void A_periodic_timer_keeps_its_phase()
    {
        LocalApic apic = NewApic();
        Write(apic, ApicRegister.LvtTimer, 0x2_0000 | Expired);
        Write(apic, ApicRegister.DivideConfiguration, 0b1011);
        Write(apic, ApicRegister.InitialCount, 1000);
        Pass(300);
        LocalApic other = NewApic();
        other.Restore(apic.Save());
        apic.ResetRegisters();
        Assert.Equal(700u, Read(other, ApicRegister.CurrentCount));
        Pass(699);
        Assert.Equal(-1, other.Deliverable());
        Pass(1);
        Assert.Equal((int)Expired, other.Deliverable());
        other.Acknowledge((int)Expired);
        Write(other, ApicRegister.EndOfInterrupt, 0);
        Pass(1000);
        Assert.Equal((int)Expired, other.Deliverable());
    }

    [Fact]
    public void A_deadline_is_one_of_the_guest_s_time_stamp_counter()
    {
        LocalApic apic = NewApic();
        apic.Timer.TimestampOffset = 5_000;
        Write(apic, ApicRegister.LvtTimer, 0x4_0000 | Expired);
        apic.Timer.Deadline = 6_000;
        LocalApicState state = apic.Save();
        Assert.Equal(6_000UL, state.TimestampDeadline);
        apic.ResetRegisters();

        LocalApic other = NewApic();
        other.Timer.TimestampOffset = 5_000;
        other.Restore(state);
        Pass(999);
        Assert.Equal(-1, other.Deliverable());
        Pass(1);
        Assert.Equal((int)Expired, other.Deliverable());
    }

    [Fact]
    public void X2apic_without_the_enable_bit_is_refused()
    {
        LocalApicState state = NewApic().Save();
        state.Base = LocalApic.DefaultBase | 0x400;
        Assert.Throws<StateException>(() => NewApic().Restore(state));
    }

    [Fact]
    public void Vectors_below_16_and_bits_that_do_not_exist_are_dropped()
    {
        LocalApicState state = NewApic().Save();
        Array.Fill(state.Registers, uint.MaxValue);
        LocalApic other = NewApic();
        other.Restore(state);
        Assert.Equal(0xFFFF_0000, Read(other, ApicRegister.InterruptRequest));
        Assert.Equal(0x0006_00FFu, Read(other, ApicRegister.LvtTimer) & ~0x1_0000u);
        Assert.Equal(0xFFu, Read(other, ApicRegister.TaskPriority));
    }

    private LocalApic NewApic()
    {
        var apic = new LocalApic(0, new Core(), _bus, _clock, "test");
        Write(apic, ApicRegister.SpuriousVector, 0x1FF);
        return apic;
    }

    private void Pass(long nanoseconds)
    {
        _time.Advance(nanoseconds);
        _clock.RunDue();
    }

    private static uint Read(LocalApic apic, ApicRegister register) => (uint)apic.ReadPage((uint)register << 4, 4);

    private static void Write(LocalApic apic, ApicRegister register, uint value) => apic.WritePage((uint)register << 4, 4, value);

    private sealed class Core : IApicProcessor
    {
        public void SetTaskPriority(uint cr8)
        {
        }

        public void SignalInterrupt()
        {
        }

        public void SignalNmi()
        {
        }

        public void SignalInit()
        {
        }

        public void SignalStartup(byte vector)
        {
        }
    }
}
