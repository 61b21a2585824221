using System.Text.Unicode;
using Vmm.Sdk;

namespace Vmm.Plugins.ExitTrace;

/// <summary>
/// Writes one line an exit: number, processor, reason, instruction pointer, qualification, guest-physical address,
/// instruction length and the registers that most exits are about. Reasons that are not traced cost nothing.
/// </summary>
[ExitHandler("trace", Description = "Writes one line a VM exit to a file")]
public sealed class ExitTraceHandler : IExitHandler, IDisposable
{
    private const int LongestLine = 256;

    private static readonly string[] Names = [.. Enumerable.Range(0, 1 + (int)Enum.GetValues<ExitReason>().Max()).Select(reason => ((ExitReason)reason).ToString())];

    private readonly TraceFile _file;
    private readonly long _limit;
    private long _lines;

    /// <exception cref="IOException">The file cannot be written.</exception>
    public ExitTraceHandler(ExitTraceOptions options)
    {
        Reasons = options.Reasons.Count > 0 ? [.. options.Reasons.Distinct()] : Enum.GetValues<ExitReason>();
        _limit = options.Limit == 0 ? long.MaxValue : options.Limit;
        _file = new TraceFile(options.File);
    }

    public IReadOnlyCollection<ExitReason> Reasons { get; }

    public ExitDisposition OnExit(ref ExitFrame frame)
    {
        if (Volatile.Read(ref _lines) < _limit && Interlocked.Increment(ref _lines) is var number && number <= _limit)
        {
            Write(ref frame, number);
        }

        return ExitDisposition.Pass;
    }

    public void Dispose() => _file.Dispose();

    private void Write(ref ExitFrame frame, long number)
    {
        Span<byte> line = stackalloc byte[LongestLine];
        var (vm, vcpu) = frame.Vcpu.Id;
        ref var registers = ref frame.Registers;
        bool fits = Utf8.TryWrite(
            line,
            $"{number} vm{vm}.{vcpu} {Name(frame.Reason)} rip={frame.Vcpu.InstructionPointer:x} qual={frame.Qualification:x} gpa={frame.GuestPhysicalAddress:x} len={frame.InstructionLength} rax={registers.Rax:x} rbx={registers.Rbx:x} rcx={registers.Rcx:x} rdx={registers.Rdx:x}\n",
            out int length);
        if (fits)
        {
            _file.Write(line[..length]);
        }

        if (number == _limit)
        {
            _file.Flush();
        }
    }

    private static string Name(ExitReason reason) => (int)reason < Names.Length ? Names[(int)reason] : "Unknown";
}
