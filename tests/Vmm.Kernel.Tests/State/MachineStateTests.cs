using Vmm.Kernel.Plugins;

namespace Vmm.Kernel.Tests;

/// <summary>A VM goes on as another one did.</summary>
public sealed class MachineStateTests : IDisposable
{
    private static readonly VmExit Out80 = new() { Reason = ExitReason.IoInstruction, Access = VmExitAccess.Write, Width = 1, Port = 0x80, Data = 0x42, InstructionLength = 2 };

    private readonly ManualTime _time = new();
    private readonly Rig _first;

    public MachineStateTests() => _first = new Rig(_time);

    public void Dispose() => _first.Bench.Dispose();

    [Fact]
    public void What_is_restored_is_saved_again_to_the_bit()
    {
        _first.RunToPause();
        IReadOnlyList<StateSection> saved = _first.Save();
        AssertSame(saved, _first.Save());
        using Rig second = new(_time);
        second.Machine.StartPaused(saved);
        AssertSame(saved, second.Save());
    }

    [Fact]
    public void Time_goes_on_from_where_it_stood()
    {
        _first.RunToPause();
        (long now, long wallClock) = (_first.Machine.Clock.NowNanoseconds, _first.Machine.Clock.WallClockNanoseconds);
        Assert.NotEqual(0, now);
        IReadOnlyList<StateSection> saved = _first.Save();
        _time.Advance(1_000_000);
        using Rig second = new(_time);
        second.Machine.StartPaused(saved);
        Assert.Equal((now, wallClock), (second.Machine.Clock.NowNanoseconds, second.Machine.Clock.WallClockNanoseconds));
        second.Machine.Resume();
        _time.Advance(500);
        Assert.Equal(now + 500, second.Machine.Clock.NowNanoseconds);
    }

    [Fact]
    public void A_bar_answers_where_the_guest_had_put_it()
    {
        _first.RunToPause();
        using Rig second = new(_time);
        second.Machine.StartPaused(_first.Save());
        Assert.True(second.Machine.Mmio.IsClaimed(0xE000_0000));
        Assert.Equal(0xE000_0000u, ((IPciConfigurationSpace)second.Machine.Pci).Read(Rig.Address, 0x10, AccessWidth.DoubleWord) & ~0xFu);
    }

    [Fact]
    public void An_asserted_line_is_not_raised_again_and_falls_when_the_device_lets_go()
    {
        _first.RunToPause();
        Assert.Equal(["5 up"], _first.Controller.Changes);
        using Rig second = new(_time);
        second.Machine.StartPaused(_first.Save());
        Assert.Empty(second.Controller.Changes);
        second.Device.Line.Set(false);
        Assert.Equal(["5 down"], second.Controller.Changes);
    }

    /// <summary>An engine's APIC may have noted an end when the VM was saved, and not told of it.</summary>
    [Theory]
    [InlineData(0x1FFu, true)]
    [InlineData(0x11FFu, false)]
    public void Ends_of_interrupts_that_no_processor_has_are_told_unless_the_guest_tells_them(uint spuriousVector, bool told)
    {
        _first.RunToPause();
        LocalApic apic = _first.Machine.Processors[0].Apic;
        LocalApicState state = apic.Save();
        state.Registers[0x0F] = spuriousVector;
        state.Registers[0x22] = 1 << 1; // IRR: vector 41H
        state.Registers[0x12] = 1 << 2; // ISR: vector 42H
        apic.Restore(state);
        using Rig second = new(_time);
        second.Machine.StartPaused(_first.Save());
        Assert.DoesNotContain((byte)0x41, second.Controller.Ends);
        Assert.DoesNotContain((byte)0x42, second.Controller.Ends);
        Assert.Equal(told, second.Controller.Ends.Contains(0x43));
    }

    [Fact]
    public void The_engine_gets_the_processor_that_was_saved()
    {
        _first.RunToPause();
        IReadOnlyList<StateSection> saved = _first.Save();
        using Rig second = new(_time);
        second.Machine.StartPaused(saved);
        second.Machine.Resume();
        second.Bench.Processor.RunExit(Out80);
        Assert.Equal(_first.Bench.Processor[VmcsField.GuestRip], second.Bench.Processor.Loaded!.Rip);
    }

    [Fact]
    public void A_running_VM_is_saved_quiet_and_goes_on()
    {
        _first.Machine.Start();
        _first.Bench.Processor.RunExit(Out80);
        IReadOnlyList<StateSection> saved = _first.Machine.WhileQuiet(_first.Machine.SaveState);
        Assert.Contains(saved, section => section.Path == "device/widget");
        Assert.Equal(VirtualMachineState.Running, _first.Machine.State);
        _first.Bench.Processor.RunExit(Out80);
    }

    [Fact]
    public void Everything_in_the_way_of_a_save_is_listed_at_once()
    {
        using Rig rig = new(_time, new DeclaredState(StateSupport.Unsupported, 1, 1));
        rig.Machine.AddBackend("disk0", null!, new ContributionDescription(ContributionKind.BlockBackend, "ramdisk", "", "test.plugin", "T", new DeclaredState(StateSupport.Unsupported, 1, 1)));
        rig.RunToPause();
        var refused = Assert.Throws<StateException>(() => rig.Machine.SaveState());
        Assert.Contains("device/widget", refused.Message, StringComparison.Ordinal);
        Assert.Contains("disk/disk0 (ramdisk)", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void State_of_a_newer_plugin_is_refused_with_plugin_and_versions()
    {
        using Rig newer = new(_time, new DeclaredState(StateSupport.Saved, 3, 1));
        newer.RunToPause();
        var refused = Assert.Throws<StateException>(() => _first.Machine.StartPaused(newer.Save()));
        Assert.Contains("device/widget: the state has version 3 of 'test-device' (written by plugin test.plugin)", refused.Message, StringComparison.Ordinal);
        Assert.Contains("reads versions 1 to 1", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_and_superfluous_parts_are_named_at_once()
    {
        _first.RunToPause();
        StateSection[] saved = [.. _first.Save().Where(section => section.Path != "pci/00:03.0"), new("device/gone", "gone", "acme.gone", 2, default)];
        using Rig second = new(_time);
        var refused = Assert.Throws<StateException>(() => second.Machine.StartPaused(saved));
        Assert.Contains("pci/00:03.0: there is no state for it", refused.Message, StringComparison.Ordinal);
        Assert.Contains("device/gone: this machine has nothing that the state of 'gone' (plugin acme.gone, version 2) belongs to", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mutated_state_is_refused_or_restored_and_never_anything_else()
    {
        _first.RunToPause();
        IReadOnlyList<StateSection> saved = _first.Save();
        int seed = Random.Shared.Next();
        Random random = new(seed);
        for (int round = 0; round < 150; round++)
        {
            int victim = random.Next(saved.Count);
            byte[] content = saved[victim].Content.ToArray();
            for (int i = random.Next(1, 5); i > 0 && content.Length > 0; i--)
            {
                content[random.Next(content.Length)] = (byte)random.Next(256);
            }

            StateSection[] mutated = [.. saved];
            mutated[victim] = saved[victim] with { Content = content };
            using Rig second = new(_time);
            Exception? thrown = Record.Exception(() => second.Machine.StartPaused(mutated));
            Assert.True(thrown is null or StateException, $"seed {seed}, round {round}, {saved[victim].Path}: {thrown}");
        }
    }

    private static void AssertSame(IReadOnlyList<StateSection> expected, IReadOnlyList<StateSection> actual)
    {
        Assert.Equal(expected.Select(section => section.Path), actual.Select(section => section.Path));
        foreach ((StateSection before, StateSection after) in expected.Zip(actual))
        {
            Assert.True(before.Content.Span.SequenceEqual(after.Content.Span), $"{before.Path}:\n{Convert.ToHexString(before.Content.Span)}\n{Convert.ToHexString(after.Content.Span)}");
        }
    }

    /// <summary>A VM with a PCI device that has a register, a line and MSI-X.</summary>
    private sealed class Rig : IDisposable
    {
        public static readonly PciAddress Address = new(0, 3, 0);

        public Rig(TimeProvider time, DeclaredState? declared = null)
        {
            Bench = new TestBench(time: time);
            Machine.CreateDeviceContext("pic").Interrupts.AttachController(Controller);
            DeviceContext context = Machine.CreateDeviceContext("widget");
            Device = new Widget(context, Machine.Pci.CreateSlot(Address, context, interruptPin: 1, interruptLine: 7));
            Machine.AddDevice("widget", "test-device", Device, context,
                new ContributionDescription(ContributionKind.Device, "test-device", "", "test.plugin", "Widget", declared ?? new DeclaredState(StateSupport.Saved, 1, 1)));
            Machine.AttachDevices();
            Time = time as ManualTime;
        }

        public TestBench Bench { get; }

        public VirtualMachine Machine => Bench.Machine;

        public Widget Device { get; }

        public Controller Controller { get; } = new();

        private ManualTime? Time { get; }

        /// <summary>The guest programs a BAR and a message, the device drives its line, some time passes.</summary>
        public void RunToPause()
        {
            IPciConfigurationSpace space = Machine.Pci;
            Machine.Start();
            Bench.Processor.RunExit(Out80);
            space.Write(Address, 0x10, AccessWidth.DoubleWord, 0xE000_0000);
            space.Write(Address, 0x04, AccessWidth.Word, 6);
            Machine.Mmio.Write(0xE000_0000, 4, 0x77);
            Device.Line.Set(true);
            Device.Messages!.Signal(1);
            Time?.Advance(12_345);
            Machine.Pause();
        }

        public IReadOnlyList<StateSection> Save() => Machine.SaveState();

        public void Dispose() => Bench.Dispose();
    }

    private sealed class Widget(DeviceContext context, PciSlot slot) : IDevice, IStateful, IPciFunction, IMmioDevice
    {
        private uint _register;

        public IInterruptLine Line { get; } = context.Interrupts.Line("irq", 5);

        public IMessageInterrupts? Messages { get; private set; }

        public PciIdentity Identity { get; } = new(0x1234, 0x5678, 0x020000);

        public void Attach()
        {
            slot.DeclareMemoryBar(0, 4096, AccessWidths.DoubleWord, this, is64Bit: false);
            Messages = slot.DeclareMsiX(1, 3);
        }

        public void Reset(ResetKind kind) => _register = 0;

        public ulong Read(ulong offset, AccessWidth width) => _register;

        public void Write(ulong offset, AccessWidth width, ulong value) => _register = (uint)value;

        public void Save(IStateWriter state) => state.UInt32(1, _register);

        public void Restore(IStateReader state)
        {
            _register = state.UInt32(1);
            Line.Set(_register != 0); // as devices do that derive their line from their registers
        }
    }

    private sealed class Controller : IInterruptController, IEndOfInterruptListener
    {
        public List<byte> Ends { get; } = [];

        public List<string> Changes { get; } = [];

        public void SetLine(int line, bool asserted) => Changes.Add($"{line} {(asserted ? "up" : "down")}");

        public void EndOfInterrupt(byte vector) => Ends.Add(vector);
    }
}
