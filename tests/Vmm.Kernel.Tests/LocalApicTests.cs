namespace Vmm.Kernel.Tests;

public sealed class LocalApicTests
{
    private const uint SoftwareEnabled = 0x1FF;

    private readonly ManualTime _time = new();
    private readonly VirtualClock _clock;
    private readonly InterruptFabric _fabric = new();
    private readonly ApicBus _bus;
    private readonly Core[] _cores;
    private readonly LocalApic[] _apics;

    public LocalApicTests()
    {
        _clock = new VirtualClock(_time);
        _clock.Start();
        _bus = new ApicBus(_fabric);
        _fabric.Deliver = _bus.Deliver;
        _cores = [new Core(), new Core(), new Core()];
        _apics = [.. _cores.Select((core, id) => new LocalApic((uint)id, core, _bus, _clock, "test"))];
        foreach (LocalApic apic in _apics)
        {
            Write(apic, ApicRegister.SpuriousVector, SoftwareEnabled);
        }
    }

    private LocalApic Apic => _apics[0];

    [Fact]
    public void Reset_values_are_those_of_the_manual()
    {
        Apic.PowerOn();
        Assert.Equal(0xFEE0_0900UL, Apic.Base);
        Assert.Equal(0xFEE0_0800UL, _apics[1].Base);
        Assert.Equal(0x0005_0014u, Read(Apic, ApicRegister.Version));
        Assert.Equal(0xFFu, Read(Apic, ApicRegister.SpuriousVector));
        Assert.Equal(0xFFFF_FFFFu, Read(Apic, ApicRegister.DestinationFormat));
        Assert.Equal(0x1_0000u, Read(Apic, ApicRegister.LvtTimer));
        Assert.Equal(0x1_0000u, Read(Apic, ApicRegister.LvtLint0));
        Assert.Equal(0u, Read(Apic, ApicRegister.TaskPriority));
        Assert.Equal(1u << 24, Read(_apics[1], ApicRegister.Id));
    }

    [Fact]
    public void The_highest_vector_is_delivered_and_masks_its_class()
    {
        Send(0, 0x41);
        Send(0, 0x52);
        Assert.Equal(0x52, Apic.Deliverable());
        Apic.Acknowledge(0x52);
        Assert.Equal(0x50u, Read(Apic, ApicRegister.ProcessorPriority));
        Assert.Equal(-1, Apic.Deliverable());
        Send(0, 0x5F);
        Assert.Equal(-1, Apic.Deliverable());
        Send(0, 0x60);
        Assert.Equal(0x60, Apic.Deliverable());
        Write(Apic, ApicRegister.EndOfInterrupt, 0);
        Assert.Equal(0x60, Apic.Deliverable());
    }

    [Fact]
    public void A_vector_in_service_may_be_requested_once_more()
    {
        Send(0, 0x41);
        Apic.Acknowledge(Apic.Deliverable());
        Send(0, 0x41);
        Assert.Equal(0x2u, Read(Apic, ApicRegister.InService + 2));
        Assert.Equal(0x2u, Read(Apic, ApicRegister.InterruptRequest + 2));
        Write(Apic, ApicRegister.EndOfInterrupt, 0);
        Assert.Equal(0x41, Apic.Deliverable());
    }

    [Fact]
    public void The_task_priority_holds_back_its_class_and_below()
    {
        Write(Apic, ApicRegister.TaskPriority, 0x45);
        Assert.Equal(4u, _cores[0].Cr8);
        Send(0, 0x4F);
        Assert.Equal(-1, Apic.Deliverable());
        Assert.Equal(0x45u, Read(Apic, ApicRegister.ProcessorPriority));
        Send(0, 0x50);
        Assert.Equal(0x50, Apic.Deliverable());
        Apic.Cr8 = 5;
        Assert.Equal(0x50u, Read(Apic, ApicRegister.TaskPriority));
        Assert.Equal(-1, Apic.Deliverable());
    }

    [Fact]
    public void A_software_disabled_apic_takes_no_vectors_and_masks_its_local_vector_table()
    {
        Write(Apic, ApicRegister.LvtLint0, 0x700);
        Write(Apic, ApicRegister.SpuriousVector, 0xFF);
        Send(0, 0x41);
        Assert.Equal(0u, Read(Apic, ApicRegister.InterruptRequest + 2));
        Write(Apic, ApicRegister.LvtTimer, 0x40);
        Assert.Equal(0x1_0040u, Read(Apic, ApicRegister.LvtTimer));
        Assert.Equal(0x1_0700u, Read(Apic, ApicRegister.LvtLint0));
    }

    [Fact]
    public void An_end_of_interrupt_tells_the_io_apic_about_level_triggered_vectors_only()
    {
        var listener = new Listener();
        _fabric.Attach(new DeviceInstance("ioapic", (_, _, e) => throw e), listener);
        Apic.Accept(new InterruptMessage(0, false, DeliveryMode.Fixed, 0x41, Level: true));
        Apic.Accept(new InterruptMessage(0, false, DeliveryMode.Fixed, 0x61, Level: false));
        Apic.Acknowledge(0x41);
        Apic.Acknowledge(0x61);
        Write(Apic, ApicRegister.EndOfInterrupt, 0);
        Assert.Empty(listener.Ended);
        Write(Apic, ApicRegister.EndOfInterrupt, 0);
        Assert.Equal([0x41], listener.Ended);
    }

    [Theory]
    [InlineData(0x0000_0041u, 0x0100_0000u, "1")]
    [InlineData(0x0000_0041u, 0xFF00_0000u, "0 1 2")]
    [InlineData(0x0004_0041u, 0u, "0")]
    [InlineData(0x0008_0041u, 0u, "0 1 2")]
    [InlineData(0x000C_0041u, 0u, "1 2")]
    public void A_fixed_ipi_reaches_whom_it_addresses(uint low, uint high, string expected)
    {
        Write(Apic, ApicRegister.InterruptCommandHigh, high);
        Write(Apic, ApicRegister.InterruptCommandLow, low);
        Assert.Equal(expected, string.Join(' ', Enumerable.Range(0, 3).Where(i => _apics[i].Deliverable() == 0x41)));
        Assert.Equal(low, Read(Apic, ApicRegister.InterruptCommandLow));
    }

    [Fact]
    public void A_logical_ipi_in_the_flat_model_matches_bits_and_in_the_cluster_model_cluster_and_bits()
    {
        for (int i = 0; i < 3; i++)
        {
            Write(_apics[i], ApicRegister.LogicalDestination, 1u << (24 + i));
        }

        SendLogical(0x41, 0b110);
        Assert.Equal([-1, 0x41, 0x41], _apics.Select(a => a.Deliverable()));

        for (int i = 0; i < 3; i++)
        {
            Write(_apics[i], ApicRegister.DestinationFormat, 0x0FFF_FFFF);
            Write(_apics[i], ApicRegister.LogicalDestination, (uint)((i == 2 ? 0x10 : 0) | (1 << (i & 1))) << 24);
        }

        SendLogical(0x51, 0x11);
        Assert.Equal([-1, 0x41, 0x51], _apics.Select(a => a.Deliverable()));
    }

    [Fact]
    public void A_lowest_priority_interrupt_goes_to_the_processor_with_the_lowest_task_priority()
    {
        Write(_apics[0], ApicRegister.TaskPriority, 0x20);
        Write(_apics[2], ApicRegister.TaskPriority, 0x10);
        Write(_apics[1], ApicRegister.TaskPriority, 0x30);
        _fabric.SendMessage(0xFEEF_F000, 0x141);
        Assert.Equal([-1, -1, 0x41], _apics.Select(a => a.Deliverable()));
    }

    [Fact]
    public void Init_startup_and_nmi_go_to_the_cores()
    {
        Write(Apic, ApicRegister.InterruptCommandHigh, 0x0100_0000);
        Write(Apic, ApicRegister.InterruptCommandLow, 0x0000_C500);
        Write(Apic, ApicRegister.InterruptCommandLow, 0x0000_8500);
        Write(Apic, ApicRegister.InterruptCommandLow, 0x0000_069F);
        Write(Apic, ApicRegister.InterruptCommandLow, 0x0000_0400);
        Assert.Equal(["INIT", "SIPI 9F", "NMI"], _cores[1].Events);
        Assert.Empty(_cores[2].Events);
    }

    [Fact]
    public void An_illegal_vector_shows_in_the_error_status_after_it_was_written()
    {
        Write(Apic, ApicRegister.InterruptCommandLow, 0x4_000F);
        Assert.Equal(0u, Read(Apic, ApicRegister.ErrorStatus));
        Write(Apic, ApicRegister.ErrorStatus, 0);
        Assert.Equal(0x20u, Read(Apic, ApicRegister.ErrorStatus));
        Write(Apic, ApicRegister.ErrorStatus, 0);
        Assert.Equal(0u, Read(Apic, ApicRegister.ErrorStatus));
    }

    [Fact]
    public void The_one_shot_timer_counts_down_and_fires_once()
    {
        Write(Apic, ApicRegister.LvtTimer, 0x40);
        Write(Apic, ApicRegister.DivideConfiguration, 0b0011); // by 16
        Write(Apic, ApicRegister.InitialCount, 1000);
        Pass(8_000);
        Assert.Equal(500u, Read(Apic, ApicRegister.CurrentCount));
        Assert.Equal(-1, Apic.Deliverable());
        Pass(8_000);
        Assert.Equal(0x40, Apic.Deliverable());
        Assert.Equal(0u, Read(Apic, ApicRegister.CurrentCount));
        Apic.Acknowledge(0x40);
        Write(Apic, ApicRegister.EndOfInterrupt, 0);
        Pass(100_000);
        Assert.Equal(-1, Apic.Deliverable());
    }

    [Theory]
    [InlineData(0b0000u, 2)]
    [InlineData(0b0001u, 4)]
    [InlineData(0b0010u, 8)]
    [InlineData(0b0011u, 16)]
    [InlineData(0b1000u, 32)]
    [InlineData(0b1001u, 64)]
    [InlineData(0b1010u, 128)]
    [InlineData(0b1011u, 1)]
    public void The_divide_configuration_divides(uint configuration, int divisor)
    {
        Write(Apic, ApicRegister.DivideConfiguration, configuration);
        Write(Apic, ApicRegister.InitialCount, 1000);
        Pass(100 * divisor);
        Assert.Equal(900u, Read(Apic, ApicRegister.CurrentCount));
    }

    [Fact]
    public void The_periodic_timer_fires_again_and_again()
    {
        Write(Apic, ApicRegister.LvtTimer, 0x2_0040);
        Write(Apic, ApicRegister.DivideConfiguration, 0b1011);
        Write(Apic, ApicRegister.InitialCount, 1000);
        for (int i = 0; i < 3; i++)
        {
            Pass(1000);
            Assert.Equal(0x40, Apic.Deliverable());
            Apic.Acknowledge(0x40);
            Write(Apic, ApicRegister.EndOfInterrupt, 0);
            Assert.Equal(-1, Apic.Deliverable());
            Assert.Equal(1000u, Read(Apic, ApicRegister.CurrentCount));
        }
    }

    [Fact]
    public void The_tsc_deadline_fires_at_its_time_and_reads_as_zero_afterwards()
    {
        Write(Apic, ApicRegister.LvtTimer, 0x4_0040);
        Apic.Timer.TimestampOffset = 500;
        Apic.Timer.Deadline = 2500;
        Write(Apic, ApicRegister.InitialCount, 7);
        Assert.Equal(0u, Read(Apic, ApicRegister.InitialCount));
        Pass(1999);
        Assert.Equal(-1, Apic.Deliverable());
        Assert.Equal(2500UL, Apic.Timer.Deadline);
        Pass(1);
        Assert.Equal(0x40, Apic.Deliverable());
        Assert.Equal(0UL, Apic.Timer.Deadline);
    }

    [Fact]
    public void A_tsc_deadline_counts_at_the_frequency_of_the_guests_counter()
    {
        var apic = new LocalApic(3, new Core(), _bus, _clock, "test", timestampFrequency: 2_000_000_000);
        Write(apic, ApicRegister.SpuriousVector, SoftwareEnabled);
        Write(apic, ApicRegister.LvtTimer, 0x4_0040);
        apic.Timer.TimestampOffset = 500;
        apic.Timer.Deadline = 2500;
        Pass(999);
        Assert.Equal(-1, apic.Deliverable());
        Pass(1);
        Assert.Equal(0x40, apic.Deliverable());
    }

    [Fact]
    public void A_tsc_deadline_of_zero_disarms()
    {
        Write(Apic, ApicRegister.LvtTimer, 0x4_0040);
        Apic.Timer.Deadline = 1000;
        Apic.Timer.Deadline = 0;
        Pass(5000);
        Assert.Equal(-1, Apic.Deliverable());
    }

    [Fact]
    public void A_masked_timer_entry_keeps_the_interrupt_back()
    {
        Write(Apic, ApicRegister.LvtTimer, 0x1_0040);
        Write(Apic, ApicRegister.InitialCount, 10);
        Pass(1000);
        Assert.Equal(-1, Apic.Deliverable());
    }

    [Fact]
    public void Only_the_legal_transitions_between_the_modes_are_accepted()
    {
        LocalApic apic = _apics[1];
        Assert.False(apic.TrySetBase(0xFEE0_0400, 40)); // x2APIC without enable
        Assert.False(apic.TrySetBase(0x1_0000_FEE0_0800 << 8, 40)); // above the physical width
        Assert.False(apic.TrySetBase(0xFEE0_0801, 40)); // reserved bit
        Assert.True(apic.TrySetBase(0xFEE0_0C00, 40));
        Assert.False(apic.TrySetBase(0xFEE0_0800, 40)); // x2APIC to xAPIC
        Assert.True(apic.TrySetBase(0xFEE0_0000, 40));
        Assert.False(apic.TrySetBase(0xFEE0_0C00, 40)); // disabled to x2APIC
        Assert.True(apic.TrySetBase(0xFEE0_0800, 40));
    }

    [Fact]
    public void X2apic_registers_follow_the_rules_of_their_msrs()
    {
        LocalApic apic = _apics[1];
        Assert.False(apic.TryReadMsr(Msr.X2ApicId, out _));
        apic.TrySetBase(0xFEE0_0C00, 40);
        Assert.True(apic.TryReadMsr(Msr.X2ApicId, out ulong id));
        Assert.Equal(1UL, id);
        Assert.True(apic.TryReadMsr(Msr.X2ApicLdr, out ulong logical));
        Assert.Equal(2UL, logical);
        Assert.False(apic.TryWriteMsr(Msr.X2ApicLdr, 1)); // read-only
        Assert.False(apic.TryReadMsr(Msr.X2ApicEoi, out _)); // write-only
        Assert.False(apic.TryWriteMsr(Msr.X2ApicEoi, 1)); // not zero
        Assert.False(apic.TryReadMsr(Msr.X2ApicFirst + 0xE, out _)); // no DFR
        Assert.False(apic.TryReadMsr(Msr.X2ApicFirst + 0x31, out _)); // ICR is one register
        Assert.True(apic.TryWriteMsr(Msr.X2ApicSelfIpi, 0x44));
        Assert.Equal(0x44, apic.Deliverable());
        Assert.True(apic.TryWriteMsr(Msr.X2ApicIcr, 0x2_0000_0042));
        Assert.Equal(0x42, _apics[2].Deliverable());
    }

    [Fact]
    public void A_logical_x2apic_ipi_matches_cluster_and_bit()
    {
        foreach (LocalApic apic in _apics)
        {
            apic.TrySetBase(0xFEE0_0C00 | (apic.Id == 0 ? 0x100UL : 0), 40);
        }

        Apic.TryWriteMsr(Msr.X2ApicIcr, 0x0000_0006_0000_0841);
        Assert.Equal([-1, 0x41, 0x41], _apics.Select(a => a.Deliverable()));
        Apic.TryWriteMsr(Msr.X2ApicIcr, 0x0001_0006_0000_0851);
        Assert.Equal([-1, 0x41, 0x41], _apics.Select(a => a.Deliverable()));
    }

    [Fact]
    public void Partial_and_unaligned_accesses_to_the_page_do_nothing()
    {
        Apic.WritePage(0x80, 1, 0x20);
        Apic.WritePage(0x84, 4, 0x20);
        Assert.Equal(0u, Read(Apic, ApicRegister.TaskPriority));
        Assert.Equal(0UL, Apic.ReadPage(0x84, 4));
        Assert.Equal(0x05UL, Apic.ReadPage(0x32, 1));
    }

    [Fact]
    public void Lint0_passes_external_interrupts_only_unmasked_in_extint_mode()
    {
        Assert.False(Apic.PassesExternalInterrupts);
        Write(Apic, ApicRegister.LvtLint0, 0x700);
        Assert.True(Apic.PassesExternalInterrupts);
        Write(Apic, ApicRegister.LvtLint0, 0x1_0700);
        Assert.False(Apic.PassesExternalInterrupts);
    }

    [Fact]
    public void Virtual_wire_mode_passes_the_8259_and_the_nmi()
    {
        Apic.PowerOn();
        Apic.EnterVirtualWireMode();
        Assert.True(Apic.PassesExternalInterrupts);
        Apic.SetPin(ApicRegister.LvtLint1, asserted: true);
        Assert.Equal(["NMI"], _cores[0].Events);
    }

    [Fact]
    public void Lint1_delivers_the_nmi_line()
    {
        Apic.SetPin(ApicRegister.LvtLint1, asserted: true);
        Write(Apic, ApicRegister.LvtLint1, 0x400);
        Apic.SetPin(ApicRegister.LvtLint1, asserted: true);
        Assert.Equal(["NMI"], _cores[0].Events);
    }

    [Fact]
    public void Messages_outside_the_window_or_of_reserved_modes_vanish()
    {
        _fabric.SendMessage(0xFED0_0000, 0x41);
        _fabric.SendMessage(0xFEE0_0000, 0x341);
        Assert.Equal(-1, Apic.Deliverable());
        _fabric.SendMessage(0xFEE0_0000, 0x41);
        Assert.Equal(0x41, Apic.Deliverable());
    }

    private static uint Read(LocalApic apic, ApicRegister register) => (uint)apic.ReadPage((uint)register << 4, 4);

    private static void Write(LocalApic apic, ApicRegister register, uint value) => apic.WritePage((uint)register << 4, 4, value);

    private void Send(uint destination, byte vector) => _bus.Deliver(new InterruptMessage(destination, false, DeliveryMode.Fixed, vector, false));

    private void SendLogical(byte vector, uint destination)
    {
        Write(Apic, ApicRegister.InterruptCommandHigh, destination << 24);
        Write(Apic, ApicRegister.InterruptCommandLow, vector | (1u << 11));
    }

    private void Pass(long nanoseconds)
    {
        _time.Advance(nanoseconds);
        _clock.RunDue();
    }

    private sealed class Core : IApicProcessor
    {
        public List<string> Events { get; } = [];

        public uint Cr8 { get; private set; }

        public void SignalInterrupt()
        {
        }

        public void SetTaskPriority(uint cr8) => Cr8 = cr8;

        public void SignalNmi() => Events.Add("NMI");

        public void SignalInit() => Events.Add("INIT");

        public void SignalStartup(byte vector) => Events.Add($"SIPI {vector:X2}");
    }

    private sealed class Listener : IInterruptController, IEndOfInterruptListener
    {
        public List<int> Ended { get; } = [];

        public void SetLine(int line, bool asserted)
        {
        }

        public void EndOfInterrupt(byte vector) => Ended.Add(vector);
    }
}
