namespace Vmm.Kernel.Tests;

/// <summary>What sdk/docs/isolation.md promises about plugins that throw, beyond their registers.</summary>
public sealed class PluginFaultTests : IDisposable
{
    private static readonly VmExit Kick = new() { Reason = ExitReason.ExternalInterrupt };

    private readonly TestBench _bench = new();
    private readonly Controller _controller = new();

    public PluginFaultTests()
    {
        DeviceContext context = _bench.AddDevice("controller", _ => new TestDevice());
        context.Interrupts.AttachController(_controller);
    }

    private FakeProcessor Processor => _bench.Processor;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_faulted_device_lets_go_of_its_lines_and_cannot_take_them_again()
    {
        DeviceContext bad = _bench.AddDevice("bad", _ => new TestDevice());
        IInterruptLine line = bad.Interrupts.Line("bad", 5);
        line.Set(true);
        Assert.True(_controller.Lines[5]);
        bad.Instance.Fault("a test", new InvalidOperationException());
        Assert.False(_controller.Lines[5]);
        line.Set(true);
        Assert.False(_controller.Lines[5]);
    }

    [Fact]
    public void A_line_that_a_faulted_device_had_for_itself_is_everybodys_again()
    {
        DeviceContext bad = _bench.AddDevice("bad", _ => new TestDevice());
        DeviceContext good = _bench.AddDevice("good", _ => new TestDevice());
        bad.Interrupts.ExclusiveLine("bad", 2).Exclusive = true;
        good.Interrupts.Line("good", 2).Set(true);
        Assert.False(_controller.Lines.GetValueOrDefault(2));
        bad.Instance.Fault("a test", new InvalidOperationException());
        Assert.True(_controller.Lines[2]);
    }

    [Fact]
    public void A_faulted_device_sends_no_messages()
    {
        _bench.Machine.Start();
        Processor.RunExit(Kick);
        Processor[VmcsField.GuestRflags] = (ulong)RflagsBits.If;
        Processor.RunExit(new VmExit
        {
            Reason = ExitReason.EptViolation, Access = VmExitAccess.Write, GuestPhysicalAddress = 0xFEE0_00F0, Width = 4, Data = 0x1FF,
        });
        DeviceContext bad = _bench.Machine.CreateDeviceContext("bad");
        bad.Instance.Fault("a test", new InvalidOperationException());
        bad.Interrupts.SendMessage(0xFEE0_0000, 0x41);
        Assert.False(Processor.RunExit(Kick).Injected.IsValid);
        Assert.NotEqual(0x41, (byte)Processor[VmcsField.EntryInterruptionInformation]);
    }

    [Theory]
    [InlineData("posted work")]
    [InlineData("a timer")]
    public void An_exception_outside_of_register_accesses_is_a_fault_too(string where)
    {
        DeviceContext bad = _bench.AddDevice("bad", _ => new TestDevice());
        using var reached = new ManualResetEventSlim();
        void Throw()
        {
            reached.Set();
            throw new InvalidOperationException("boom");
        }

        if (where == "a timer")
        {
            bad.Clock.CreateTimer("t", Throw).Arm(0);
        }
        else
        {
            bad.Post(Throw);
        }

        _bench.Machine.Start();
        Assert.True(reached.Wait(20_000));
        Assert.True(SpinWait.SpinUntil(() => _bench.Log.Messages.Any(m => m.Message.Contains("'bad'") && m.Message.Contains(where) && m.Message.Contains("boom")), 20_000));
        Assert.True(bad.Instance.Faulted);
    }

    [Fact]
    public void An_exception_in_a_reset_is_a_fault_too()
    {
        DeviceContext bad = _bench.AddDevice("bad", _ => new TestDevice { OnReset = _ => throw new InvalidOperationException("boom") });
        _bench.Machine.AttachDevices();
        Assert.True(bad.Instance.Faulted);
        Assert.Equal(VirtualMachineState.Created, _bench.Machine.State);
    }

    [Fact]
    public void An_MSR_handler_that_throws_gives_the_guest_a_protection_fault_and_is_disabled_after_eight_times()
    {
        const uint Register = 0x4000_0000;
        var handler = new ThrowingHandler(Register);
        _bench.Machine.AddExitHandler("bad", handler);
        _bench.Machine.Start();
        for (int i = 0; i < 20; i++)
        {
            Processor.Registers.Rcx = Register;
            ScriptedExit exit = Processor.RunExit(new VmExit { Reason = i % 2 == 0 ? ExitReason.Rdmsr : ExitReason.Wrmsr, InstructionLength = 2 });
            Assert.Equal(InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection), exit.Injected);
        }

        Assert.Equal(8, handler.Calls);
        Assert.Contains("disabled", _bench.Log.Messages.Last(m => m.Source == "bad").Message);
    }

    [Fact]
    public void A_hypercall_handler_that_throws_leaves_an_invalid_opcode_and_is_disabled_after_eight_times()
    {
        const uint Number = 0x77;
        var handler = new ThrowingHandler(Number);
        _bench.Machine.AddExitHandler("bad", handler);
        _bench.Machine.Start();
        for (int i = 0; i < 20; i++)
        {
            Processor.Registers.Rax = Number;
            ScriptedExit exit = Processor.RunExit(new VmExit { Reason = ExitReason.Vmcall, InstructionLength = 3 });
            Assert.Equal(InterruptionInformation.HardwareException(ExceptionVector.InvalidOpcode), exit.Injected);
        }

        Assert.Equal(8, handler.Calls);
    }

    [Fact]
    public void The_faults_of_one_handler_count_together_whatever_its_contracts()
    {
        const uint Leaf = 0x4000_0000;
        var handler = new ThrowingHandler(Leaf);
        _bench.Machine.AddExitHandler("bad", handler);
        _bench.Machine.Start();
        for (int i = 0; i < 20; i++)
        {
            Processor.Registers.Rax = Leaf;
            Processor.Registers.Rcx = Leaf;
            Processor.RunExit(new VmExit { Reason = i % 2 == 0 ? ExitReason.Cpuid : ExitReason.Rdmsr, InstructionLength = 2 });
        }

        Assert.Equal(8, handler.Calls);
    }

    private sealed class Controller : IInterruptController
    {
        public Dictionary<int, bool> Lines { get; } = [];

        public void SetLine(int line, bool asserted) => Lines[line] = asserted;
    }

    /// <summary>Everything of a handler, at one number, and all of it throws.</summary>
    private sealed class ThrowingHandler(uint number) : IMsrHandler, ICpuidHandler, IHypercallHandler
    {
        public int Calls { get; private set; }

        public IReadOnlyCollection<MsrRange> MsrRanges { get; } = [new("test", number, number)];

        public IReadOnlyCollection<CpuidRange> CpuidRanges { get; } = [new("test", number, number)];

        public IReadOnlyCollection<HypercallRange> HypercallRanges { get; } = [new("test", number, number)];

        public bool Read(IVirtualProcessor vcpu, uint index, out ulong value) => throw Failure();

        public bool Write(IVirtualProcessor vcpu, uint index, ulong value) => throw Failure();

        public void Adjust(IVirtualProcessor vcpu, uint leaf, uint subleaf, ref CpuidResult result) => throw Failure();

        public ulong Call(IVirtualProcessor vcpu, ref GuestRegisters registers) => throw Failure();

        private InvalidOperationException Failure() => new($"call {++Calls}");
    }
}
