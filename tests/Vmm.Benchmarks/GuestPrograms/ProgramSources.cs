using System.Diagnostics;
using Vmm.Benchmarks.Peers;
using Vmm.Tests;

namespace Vmm.Benchmarks.GuestPrograms;

/// <summary>The C programs: their sources beside this project, compiled once a run.</summary>
internal static class ProgramSources
{
    private const string FirstProcess = "init";
    private static readonly string Folder = Repository.At("tests", "Vmm.Benchmarks", "Programs");

    /// <summary>Names in groups, in the order of the table.</summary>
    public static IReadOnlyList<(string Group, string[] Names)> Groups { get; } =
    [
        ("integer", ["sieve", "hash", "bytecode", "sort"]),
        ("floating point", ["nbody", "matrix"]),
        ("x87", ["mandelbrot", "nbodyl"]),
        ("memory", ["sequential", "chase", "copy", "movsb"]),
        ("system", ["getpid", "pipe", "fork", "pagefault"]),
        ("mixed", ["sha256", "compress"]),
    ];

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Groups.SelectMany(group => group.Names)];

    /// <summary>Compiles programs and the guest's first process.</summary>
    /// <returns>Path of each.</returns>
    public static (string Init, IReadOnlyDictionary<string, string> Programs) Compile(IEnumerable<string> names, string folder)
    {
        if (SearchPath.Missing("gcc", "gcc libc6-dev") is { } missing)
        {
            throw new BenchmarkException(missing);
        }

        return (Compile(FirstProcess, folder), names.ToDictionary(name => name, name => Compile(name, folder)));
    }

    private static string Compile(string name, string folder)
    {
        string output = Path.Combine(folder, name);
        ProcessStartInfo info = new("gcc", ["-O2", "-static", "-s", "-Wall", $"-DPROGRAM=\"{name}\"", "-o", output, Path.Combine(Folder, $"{name}.c"), "-lm"]) { RedirectStandardError = true };
        using Process gcc = Process.Start(info)!;
        string errors = gcc.StandardError.ReadToEnd();
        gcc.WaitForExit();
        return gcc.ExitCode == 0 ? output : throw new BenchmarkException($"{name}.c does not compile:\n{errors}");
    }
}
