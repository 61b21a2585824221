using System.Diagnostics;
using System.Text;

namespace Vmm.Benchmarks.Measure;

/// <summary>A process that ran from start to end.</summary>
/// <param name="UntilMark">Wall time from its start until its output had the mark; null without one.</param>
/// <param name="Wall">Wall time from its start to its end.</param>
/// <param name="Processor">Processor time, user and system.</param>
/// <param name="Output">Standard output, a byte a character.</param>
/// <param name="Status">Exit status.</param>
internal sealed record TimedProcess(TimeSpan? UntilMark, TimeSpan Wall, TimeSpan Processor, string Output, int Status)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(20);

    /// <summary>Runs a program.</summary>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="mark">Text that its output is watched for, or null.</param>
    /// <param name="input">What it finds on standard input.</param>
    public static TimedProcess Run(IReadOnlyList<string> command, string? mark = null, string input = "")
    {
        using Process process = Start(command, out TimeSpan before, out Stopwatch watch);
        using Timer killer = new(_ => process.Kill(), null, Deadline, Timeout.InfiniteTimeSpan);
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        (string output, TimeSpan? untilMark) = Read(process.StandardOutput.BaseStream, mark, watch);
        process.WaitForExit();
        return new TimedProcess(untilMark, watch.Elapsed, ChildUsage.ProcessorTime - before, output, process.ExitCode);
    }

    /// <summary>Starts a program with its streams redirected.</summary>
    public static Process Start(IReadOnlyList<string> command, out TimeSpan processorTimeBefore, out Stopwatch watch)
    {
        ProcessStartInfo info = new(command[0], command.Skip(1))
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };

        // They would be a layer of the machine's configuration.
        foreach (string variable in info.Environment.Keys.Where(key => key.StartsWith("VMM_", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            info.Environment.Remove(variable);
        }

        processorTimeBefore = ChildUsage.ProcessorTime;
        watch = Stopwatch.StartNew();
        return Process.Start(info)!;
    }

    private static (string Output, TimeSpan? UntilMark) Read(Stream stream, string? mark, Stopwatch watch)
    {
        StringBuilder output = new();
        TimeSpan? untilMark = null;
        byte[] buffer = new byte[4096];
        while (stream.Read(buffer) is var count and not 0)
        {
            output.Append(Encoding.Latin1.GetString(buffer, 0, count));
            if (mark is not null && untilMark is null && output.ToString().Contains(mark, StringComparison.Ordinal))
            {
                untilMark = watch.Elapsed;
            }
        }

        return (output.ToString(), untilMark);
    }
}
