using System.Diagnostics;
using System.Globalization;
using Xunit.Abstractions;

namespace Vmm.Cli.Tests;

/// <summary>A guest that reads and writes ports and device memory at random, in all widths. No answer is right; the host must live.</summary>
public sealed class FuzzGuestTests(ITestOutputHelper output)
{
    private const int OrdinarySeconds = 5;

    /// <summary>
    /// Says 'F' on the serial line, seeds a linear congruential generator from the time-stamp counter, and jumps for ever
    /// into a table of in and out of 8, 16 and 32 bits and mov of 8 to 64, with random ports and random addresses from C0000000h on.
    /// </summary>
    private static ReadOnlySpan<byte> Code =>
    [
        0x66, 0xBA, 0xF8, 0x03, 0xB0, 0x46, 0xEE, 0x0F, 0x31, 0x89, 0xC6, 0x69, 0xF6, 0x0D, 0x66, 0x19,
        0x00, 0x81, 0xC6, 0x5F, 0xF3, 0x6E, 0x3C, 0x89, 0xF2, 0xC1, 0xEA, 0x10, 0x89, 0xF7, 0xC1, 0xC7,
        0x0B, 0x81, 0xCF, 0x00, 0x00, 0x00, 0xC0, 0x89, 0xF0, 0xC1, 0xC0, 0x13, 0x89, 0xF1, 0xC1, 0xE9,
        0x05, 0x83, 0xE1, 0x07, 0x8D, 0x0C, 0xCD, 0x60, 0x00, 0x10, 0x00, 0xFF, 0xE1, 0x90, 0x90, 0x90,
        0xEC, 0xEB, 0xC8, 0x90, 0x90, 0x90, 0x90, 0x90, 0x66, 0xED, 0xEB, 0xBF, 0x90, 0x90, 0x90, 0x90,
        0xED, 0xEB, 0xB8, 0x90, 0x90, 0x90, 0x90, 0x90, 0xEE, 0xEB, 0xB0, 0x90, 0x90, 0x90, 0x90, 0x90,
        0x66, 0xEF, 0xEB, 0xA7, 0x90, 0x90, 0x90, 0x90, 0xEF, 0xEB, 0xA0, 0x90, 0x90, 0x90, 0x90, 0x90,
        0x66, 0x8B, 0x1F, 0x8A, 0x07, 0xEB, 0x94, 0x90, 0x88, 0x07, 0x66, 0x89, 0x07, 0x89, 0x07, 0x8B,
        0x1F, 0x0F, 0x6F, 0x07, 0x0F, 0x7F, 0x07, 0xEB, 0x82,
    ];

    /// <summary>
    /// The nightly run sets FUZZ_SECONDS to 60. A random write may be the one that turns the machine off: then it has ended
    /// by itself, and well, and another takes its place until the time is up.
    /// </summary>
    [Fact]
    public async Task Random_port_and_memory_accesses_leave_the_host_unharmed()
    {
        int seconds = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_SECONDS"), CultureInfo.InvariantCulture, out int given) ? given : OrdinarySeconds;
        TimeSpan left = TimeSpan.FromSeconds(seconds);
        using TinyGuest guest = new(Code.ToArray());
        int machines = 0;
        while (left > TimeSpan.Zero)
        {
            left -= await RunAsync(guest, left);
            machines++;
        }

        output.WriteLine($"{machines} machines in {seconds} s");
    }

    // For at most a time, from the guest's first word on; how long it was.
    private static async Task<TimeSpan> RunAsync(TinyGuest guest, TimeSpan most)
    {
        using Process process = VmmCommand.Start(
            "dotnet", VmmCommand.Path, "run", "--kernel", guest.Path, "--memory", "16M", "--disk", "format=memory,size=1M");
        using CancellationTokenSource deadline = new(TimeSpan.FromSeconds(60) + most);
        Task<string> errors = process.StandardError.ReadToEndAsync(deadline.Token);
        char[] buffer = new char[4096];
        Assert.NotEqual(0, await process.StandardOutput.ReadAsync(buffer, deadline.Token));
        Task<string> output = process.StandardOutput.ReadToEndAsync(deadline.Token);
        long start = Stopwatch.GetTimestamp();
        Task ended = process.WaitForExitAsync(deadline.Token);
        try
        {
            await ended.WaitAsync(most);
        }
        catch (TimeoutException)
        {
            Process.Start("kill", ["-TERM", $"{process.Id}"]).WaitForExit();
            await ended;
        }

        await output;
        Assert.Contains(process.ExitCode, (int[])[0, 143]);
        Assert.DoesNotContain("   at ", await errors, StringComparison.Ordinal);
        return Stopwatch.GetElapsedTime(start);
    }
}
