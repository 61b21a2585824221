using Moq;
using Vmm.Plugins.ExitTrace;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.ExitTrace;

public sealed class ExitTraceHandlerTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_line_names_number_processor_reason_and_what_the_exit_was_about()
    {
        using (var trace = new ExitTraceHandler(new ExitTraceOptions { File = _path }))
        {
            Exit(trace, ExitReason.IoInstruction);
        }

        Assert.Equal(
            ["1 vm3.2 IoInstruction rip=fff0 qual=3f80008 gpa=1000 len=2 rax=41 rbx=0 rcx=7 rdx=3f8"],
            File.ReadAllLines(_path));
    }

    [Fact]
    public void Every_exit_is_passed_on() =>
        Assert.Equal(ExitDisposition.Pass, WithTrace(new ExitTraceOptions { File = _path }, trace => Exit(trace, ExitReason.Hlt)));

    [Fact]
    public void Only_the_reasons_asked_for_are_declared()
    {
        var options = (ExitTraceOptions)new OptionBinder().Bind(
            typeof(ExitTraceOptions), new FakeOptions($"file={_path},reasons:0=io-instruction,reasons:1=cpuid"));

        Assert.Equal([ExitReason.IoInstruction, ExitReason.Cpuid], WithTrace(options, trace => trace.Reasons));
    }

    [Fact]
    public void Without_a_list_every_reason_is_traced() =>
        Assert.Equal(Enum.GetValues<ExitReason>(), WithTrace(new ExitTraceOptions { File = _path }, trace => trace.Reasons));

    [Fact]
    public void The_trace_ends_at_its_limit_and_is_in_the_file_at_once()
    {
        using var trace = new ExitTraceHandler(new ExitTraceOptions { File = _path, Limit = 3 });

        for (int i = 0; i < 10; i++)
        {
            Exit(trace, ExitReason.Cpuid);
        }

        Assert.Equal(["1", "2", "3"], File.ReadAllLines(_path).Select(line => line.Split(' ')[0]));
    }

    [Fact]
    public void Lines_of_several_processors_do_not_mix()
    {
        using (var trace = new ExitTraceHandler(new ExitTraceOptions { File = _path }))
        {
            Parallel.For(0, 4, _ =>
            {
                for (int i = 0; i < 1_000; i++)
                {
                    Exit(trace, ExitReason.Cpuid);
                }
            });
        }

        string[] lines = File.ReadAllLines(_path);
        Assert.Equal(4_000, lines.Length);
        Assert.All(lines, line => Assert.EndsWith("vm3.2 Cpuid rip=fff0 qual=3f80008 gpa=1000 len=2 rax=41 rbx=0 rcx=7 rdx=3f8", line));
    }

    [Fact]
    public void A_reason_that_is_not_known_yet_is_traced_too()
    {
        using (var trace = new ExitTraceHandler(new ExitTraceOptions { File = _path }))
        {
            Exit(trace, (ExitReason)35);
            Exit(trace, (ExitReason)999);
        }

        Assert.Equal(["35", "Unknown"], File.ReadAllLines(_path).Select(line => line.Split(' ')[2]));
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_named()
    {
        var error = Assert.Throws<IOException>(() => new ExitTraceHandler(new ExitTraceOptions { File = "/nowhere/trace" }));

        Assert.Contains("'/nowhere/trace'", error.Message);
    }

    [Fact]
    public void An_exit_after_the_end_of_the_vm_is_ignored()
    {
        var trace = new ExitTraceHandler(new ExitTraceOptions { File = _path });
        trace.Dispose();

        Assert.Equal(ExitDisposition.Pass, Exit(trace, ExitReason.Hlt));
    }

    private static T WithTrace<T>(ExitTraceOptions options, Func<ExitTraceHandler, T> use)
    {
        using var trace = new ExitTraceHandler(options);
        return use(trace);
    }

    private static ExitDisposition Exit(ExitTraceHandler trace, ExitReason reason)
    {
        var vcpu = Mock.Of<IVirtualProcessor>(v => v.Id == new VcpuId(3, 2) && v.InstructionPointer == 0xfff0);
        var registers = new GuestRegisters { Rax = 0x41, Rcx = 7, Rdx = 0x3f8 };
        var frame = new ExitFrame(vcpu, ref registers, reason, qualification: 0x3f8_0008, guestPhysicalAddress: 0x1000, instructionLength: 2);
        return trace.OnExit(ref frame);
    }
}
