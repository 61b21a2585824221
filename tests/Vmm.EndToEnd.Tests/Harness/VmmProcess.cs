using System.Diagnostics;
using System.Runtime.InteropServices;
using Vmm.Tests;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>The built <c>vmm</c> command as a process: its serial console, its messages, its end.</summary>
internal sealed partial class VmmProcess : IGuestConsole, IAsyncDisposable
{
    private const int TerminateSignal = 15;

    private readonly Process _process;
    private readonly Transcript _output = new();
    private readonly Transcript _errors = new();
    private readonly Task _copying;
    private readonly string _commandLine;

    private VmmProcess(Process process, string commandLine)
    {
        _process = process;
        _commandLine = commandLine;
        _copying = Task.WhenAll(_output.CopyFromAsync(process.StandardOutput.BaseStream), _errors.CopyFromAsync(process.StandardError.BaseStream));
    }

    /// <summary>The command as the build of this test run left it.</summary>
    public static string Executable { get; } = Repository.At("src", "Vmm.Cli", "bin", Build.Configuration, "net10.0", "vmm");

    /// <summary>What the guest has sent to its serial console.</summary>
    public string Output => _output.Text;

    /// <summary>What <c>vmm</c> itself has said.</summary>
    public string Errors => _errors.Text;

    /// <summary>Number of the process.</summary>
    public int Id => _process.Id;

    /// <summary>Starts the command.</summary>
    public static VmmProcess Start(params IEnumerable<string> arguments) => StartUnder([], arguments);

    /// <summary>Starts the command through a program that changes what it may do.</summary>
    /// <param name="launcher">That program and its arguments; the command follows them.</param>
    /// <param name="arguments">Arguments of the command.</param>
    public static VmmProcess StartUnder(IReadOnlyList<string> launcher, params IEnumerable<string> arguments)
    {
        string[] command = [.. launcher, Executable, .. arguments];
        ProcessStartInfo info = new(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // They would be a layer of the machine's configuration.
        foreach (string variable in info.Environment.Keys.Where(key => key.StartsWith("VMM_", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            info.Environment.Remove(variable);
        }

        return new VmmProcess(Process.Start(info)!, string.Join(' ', command));
    }

    /// <summary>Runs the command to its end.</summary>
    public static Task<VmmResult> RunAsync(params IEnumerable<string> arguments) => RunUnderAsync([], arguments);

    /// <summary>Runs the command to its end through a program that changes what it may do.</summary>
    /// <param name="launcher">That program and its arguments; the command follows them.</param>
    /// <param name="arguments">Arguments of the command.</param>
    public static async Task<VmmResult> RunUnderAsync(IReadOnlyList<string> launcher, params IEnumerable<string> arguments)
    {
        await using VmmProcess process = StartUnder(launcher, arguments);
        process._process.StandardInput.Close();
        return await process.WaitForEndAsync(Deadlines.Command);
    }

    public async Task<string> ExpectAsync(string text, TimeSpan deadline)
    {
        try
        {
            return await _output.ExpectAsync(text, deadline);
        }
        catch (Exception e) when (e is TimeoutException or InvalidOperationException)
        {
            throw new TimeoutException($"{_commandLine}\n{e.Message}\nOn standard error:\n{Errors}", e);
        }
    }

    /// <summary>Waits until the guest has sent so many characters.</summary>
    public Task ReachAsync(int characters, TimeSpan deadline) => _output.ReachAsync(characters, deadline);

    public async Task TypeAsync(string text)
    {
        await _process.StandardInput.WriteAsync(text);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Waits for the end of the process.</summary>
    /// <exception cref="TimeoutException">It did not end.</exception>
    public async Task<VmmResult> WaitForEndAsync(TimeSpan deadline)
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(deadline);
            await _copying.WaitAsync(deadline);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{_commandLine}\ndid not end within {deadline.TotalSeconds:F0} s. Its output:\n{Output}\nOn standard error:\n{Errors}");
        }

        return new VmmResult(_commandLine, _process.ExitCode, Output, Errors);
    }

    /// <summary>Asks the process to end, as <c>kill</c> does.</summary>
    public void Terminate() => _ = Kill(_process.Id, TerminateSignal);

    /// <summary>Kills the process if it is still there.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        await _copying;
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}

/// <summary>How a run of the command ended.</summary>
/// <param name="CommandLine">What was run.</param>
/// <param name="Status">Exit status.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
internal sealed record VmmResult(string CommandLine, int Status, string Output, string Errors);
