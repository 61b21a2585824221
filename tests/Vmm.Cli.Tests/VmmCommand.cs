using System.Diagnostics;
using System.Reflection;

namespace Vmm.Cli.Tests;

/// <summary>Runs the command in a process of its own.</summary>
internal static class VmmCommand
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    /// <summary>Path of the command.</summary>
    public static string Path { get; } =
        typeof(VmmCommand).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == "CommandPath").Value!;

    /// <summary>Runs it to its end.</summary>
    /// <param name="input">Standard input.</param>
    /// <param name="arguments">Its arguments.</param>
    public static Task<CommandResult> RunAsync(string input, params string[] arguments) => RunToolAsync("dotnet", input, [Path, .. arguments]);

    /// <summary>Runs any program to its end.</summary>
    public static async Task<CommandResult> RunToolAsync(string tool, string input, params string[] arguments)
    {
        using CancellationTokenSource deadline = new(Deadline);
        using Process process = Start(tool, arguments);
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            Task<string> errors = process.StandardError.ReadToEndAsync(deadline.Token);
            string output = await process.StandardOutput.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            return new CommandResult(process.ExitCode, output, await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"'{tool} {string.Join(' ', arguments)}' did not end within {Deadline}.");
        }
    }

    /// <summary>Starts a program with all its streams redirected.</summary>
    public static Process Start(string tool, params string[] arguments) => Process.Start(new ProcessStartInfo(tool, arguments)
    {
        RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
    })!;
}

/// <summary>How a command ended.</summary>
internal sealed record CommandResult(int Status, string Output, string Errors);
