namespace Vmm.Kernel.Tests;

/// <summary>Exit handlers of plugins, and what the kernel lets them do.</summary>
public sealed class ExitHandlerTests : ExitTest
{
    [Fact]
    public void A_cpuid_handler_adjusts_and_a_throwing_one_changes_nothing()
    {
        Bench.Machine.AddExitHandler("pv", new CpuidHandler(0x4000_0000, (ref CpuidResult r) => r = new CpuidResult(1, 2, 3, 4)));
        Bench.Machine.AddExitHandler("bad", new CpuidHandler(0x4000_0000, (ref CpuidResult r) =>
        {
            r = default;
            throw new InvalidOperationException();
        }));
        Bench.Machine.Start();
        GuestRegisters result = Cpuid(0x4000_0000);
        Assert.Equal((1UL, 2UL, 3UL, 4UL), (result.Rax, result.Rbx, result.Rcx, result.Rdx));
    }

    [Fact]
    public void An_msr_handler_owns_its_range_and_makes_it_exit()
    {
        var handler = new MsrHandler("clock", Vmx.Msr.Ia32Star);
        Bench.Machine.AddExitHandler("pv", handler);
        Bench.Machine.Start();
        Msr(ExitReason.Wrmsr, Vmx.Msr.Ia32Star, 0x55);
        Msr(ExitReason.Rdmsr, Vmx.Msr.Ia32Star);
        Assert.Equal(0x55UL, Processor.Registers.Rax);
        Span<byte> bitmap = Bench.Engine.Machines[0].Pages[Processor[VmcsField.MsrBitmapAddress]].Span;
        Assert.Equal(2, bitmap[1024 + (0x81 / 8)] & 2); // STAR exits now
        Assert.Equal(0, bitmap[1024 + (0x82 / 8)] & 4); // LSTAR does not
    }

    [Fact]
    public void Two_owners_of_an_msr_are_a_start_up_error_that_names_both()
    {
        Bench.Machine.AddExitHandler("pv", new MsrHandler("clock", 0x4B56_4D00));
        Bench.Machine.AddExitHandler("other", new MsrHandler("time", 0x4B56_4D00));
        Bench.Machine.AddExitHandler("thief", new MsrHandler("apic", Vmx.Msr.Ia32ApicBase));
        var exception = Assert.Throws<ResourceConflictException>(Bench.Machine.Start);
        Assert.Equal(2, exception.Conflicts.Count);
        Assert.Contains("'pv'", exception.Message);
        Assert.Contains("'other'", exception.Message);
        Assert.Contains("'kernel'", exception.Message);
    }

    [Fact]
    public void Exit_handlers_are_called_in_order_and_the_first_answer_counts()
    {
        var calls = new List<string>();
        Bench.Machine.AddExitHandler("first", new Handler(ExitReason.Vmcall, (ref _) => Note(calls, "first", ExitDisposition.Pass)));
        Bench.Machine.AddExitHandler("second", new Handler(ExitReason.Vmcall, (ref _) => Note(calls, "second", ExitDisposition.NextInstruction)));
        Bench.Machine.AddExitHandler("third", new Handler(ExitReason.Vmcall, (ref _) => Note(calls, "third", ExitDisposition.Pass)));
        Bench.Machine.Start();
        Assert.Equal(VmExitAction.NextInstruction, Processor.RunExit(new VmExit { Reason = ExitReason.Vmcall, InstructionLength = 3 }).Action);
        Assert.Equal(["first", "second"], calls);
    }

    [Fact]
    public void An_exit_handler_that_throws_is_skipped_and_after_eight_times_disabled()
    {
        int calls = 0;
        Bench.Machine.AddExitHandler("bad", new Handler(ExitReason.Vmcall, (ref _) => throw new InvalidOperationException($"{++calls}")));
        Bench.Machine.Start();
        for (int i = 0; i < 20; i++)
        {
            Processor.RunExit(new VmExit { Reason = ExitReason.Vmcall });
        }

        Assert.Equal(8, calls);
        Assert.Contains("disabled", Bench.Log.Messages.Last(m => m.Source == "bad").Message);
        Assert.Equal(VirtualMachineState.Running, Bench.Machine.State);
    }

    [Fact]
    public void An_exit_handler_may_stop_the_vm_and_is_named()
    {
        Bench.Machine.AddExitHandler("guard", new Handler(ExitReason.Vmcall, (ref _) => ExitDisposition.Stop));
        Bench.Machine.Start();
        Processor.RunExit(new VmExit { Reason = ExitReason.Vmcall });
        Assert.Contains("'guard'", Assert.IsType<VmOutcome.Faulted>(Bench.WaitForEnd()).Message);
    }

    [Fact]
    public void A_vmcall_nobody_answers_is_an_invalid_opcode()
    {
        Bench.Machine.Start();
        Assert.Equal(
            InterruptionInformation.HardwareException(ExceptionVector.InvalidOpcode),
            Processor.RunExit(new VmExit { Reason = ExitReason.Vmcall }).Injected);
    }

    private static ExitDisposition Note(List<string> calls, string name, ExitDisposition disposition)
    {
        calls.Add(name);
        return disposition;
    }

    private delegate void Adjustment(ref CpuidResult result);

    private delegate ExitDisposition Handling(ref ExitFrame frame);

    private sealed class CpuidHandler(uint leaf, Adjustment adjust) : ICpuidHandler
    {
        public IReadOnlyCollection<CpuidRange> CpuidRanges { get; } = [new("test", leaf, leaf)];

        public void Adjust(IVirtualProcessor vcpu, uint leaf, uint subleaf, ref CpuidResult result) => adjust(ref result);
    }

    private sealed class MsrHandler(string name, uint index) : IMsrHandler
    {
        private ulong _value;

        public IReadOnlyCollection<MsrRange> MsrRanges { get; } = [new(name, index, index)];

        public bool Read(IVirtualProcessor vcpu, uint index, out ulong value)
        {
            value = _value;
            return true;
        }

        public bool Write(IVirtualProcessor vcpu, uint index, ulong value)
        {
            _value = value;
            return true;
        }
    }

    private sealed class Handler(ExitReason reason, Handling handle) : IExitHandler
    {
        public IReadOnlyCollection<ExitReason> Reasons { get; } = [reason];

        public ExitDisposition OnExit(ref ExitFrame frame) => handle(ref frame);
    }
}
