using System.ComponentModel;
using System.Diagnostics;

namespace Vmm.Machine.Images;

/// <summary>Runs the tools of the host's package manager.</summary>
internal static class ExternalTool
{
    /// <summary>Whether a tool is in the search path.</summary>
    public static bool Exists(string tool) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => folder.Length != 0 && File.Exists(Path.Combine(folder, tool)));

    /// <summary>Runs a tool and gives its standard output.</summary>
    /// <param name="tool">Its name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="folder">Working folder, or null.</param>
    /// <param name="cancellation">Ends the tool.</param>
    /// <exception cref="MachineException">It is missing or failed; the message has what it said.</exception>
    public static async Task<string> RunAsync(string tool, IReadOnlyList<string> arguments, string? folder, CancellationToken cancellation)
    {
        using Process process = Start(tool, arguments, folder);
        process.StandardInput.Close();
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync(cancellation);
            string output = await process.StandardOutput.ReadToEndAsync(cancellation).ConfigureAwait(false);
            await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
            return process.ExitCode == 0 ? output : throw Failed(tool, arguments, process.ExitCode, await errors.ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    /// <summary>Runs a tool and gives the bytes of its standard output.</summary>
    /// <param name="tool">Its name.</param>
    /// <param name="arguments">Its arguments.</param>
    public static byte[] Read(string tool, IReadOnlyList<string> arguments)
    {
        using Process process = Start(tool, arguments, folder: null);
        process.StandardInput.Close();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using MemoryStream output = new();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        return process.ExitCode == 0 ? output.ToArray() : throw Failed(tool, arguments, process.ExitCode, errors.Result);
    }

    private static Process Start(string tool, IReadOnlyList<string> arguments, string? folder)
    {
        ProcessStartInfo info = new(tool, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? "",
        };
        info.Environment["LC_ALL"] = "C";
        try
        {
            return Process.Start(info) ?? throw new MachineException($"'{tool}' cannot be started.");
        }
        catch (Win32Exception e)
        {
            throw new MachineException($"'{tool}' cannot be started: {e.Message}", e);
        }
    }

    private static MachineException Failed(string tool, IReadOnlyList<string> arguments, int status, string errors)
    {
        string[] lines = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string said = lines is [] ? "" : $": {string.Join(' ', lines.TakeLast(3))}";
        return new MachineException($"'{tool} {arguments[^1]}' failed with status {status}{said}");
    }
}
