using System.Diagnostics;
using System.Text.Json;

namespace Vmm.Cli.Tests;

/// <summary>Commands that act on a VM while it runs in another process.</summary>
public sealed class ControlTests : IDisposable
{
    private readonly string _name = $"t-{Guid.NewGuid():N}"[..16];
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"saved-{Guid.NewGuid():N}");

    /// <summary>Says R, then echoes.</summary>
    private static byte[] Echo =>
    [
        0x66, 0xBA, 0xF8, 0x03, 0xB0, (byte)'R', 0xEE,
        0x66, 0xBA, 0xFD, 0x03, 0xEC, 0xA8, 0x01, 0x74, 0xFB, 0x66, 0xBA, 0xF8, 0x03, 0xEC, 0xEE, 0xEB, 0xEF,
    ];

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task A_running_machine_is_looked_at_paused_saved_and_restored()
    {
        using TinyGuest guest = new(Echo);
        using (Process first = await StartAsync("--kernel", guest.Path, "--memory", "16M"))
        {
            CommandResult statistics = await VmmCommand.RunAsync("", "stat", _name);
            Assert.Contains("IoInstruction", statistics.Output, StringComparison.Ordinal);
            Assert.Contains("running", statistics.Output, StringComparison.Ordinal);

            Assert.Equal(0, (await VmmCommand.RunAsync("", "pause", _name)).Status);
            Assert.Contains("paused", (await VmmCommand.RunAsync("", "stat", _name)).Output, StringComparison.Ordinal);
            CommandResult state = await VmmCommand.RunAsync("", "inspect", _name, "--json");
            using JsonDocument json = JsonDocument.Parse(state.Output);
            JsonElement processor = json.RootElement.GetProperty("sections").EnumerateArray().Single(section => section.GetProperty("path").GetString() == "processor/0");
            Assert.InRange(processor.GetProperty("fields").GetProperty("Rip").GetUInt64(), TinyGuest.Entry, TinyGuest.Entry + 64);
            Assert.Equal(0, (await VmmCommand.RunAsync("", "resume", _name)).Status);

            CommandResult saved = await VmmCommand.RunAsync("", "save", _name, _file, "--stop");
            Assert.Equal((0, ""), (saved.Status, saved.Output));
            await EndAsync(first, 0);
        }

        CommandResult inspected = await VmmCommand.RunAsync("", "inspect", _file, "device/com1");
        Assert.Contains("device/com1", inspected.Output, StringComparison.Ordinal);
        CommandResult other = await VmmCommand.RunAsync("", "run", "--restore", _file, "--memory", "32M");
        Assert.Equal(2, other.Status);
        Assert.Contains("memory is '16M' in the saved machine, and '32M' is wanted", other.Errors, StringComparison.Ordinal);

        // The kernel file is gone: the guest is in the saved memory.
        guest.Dispose();
        using Process second = VmmCommand.Start("dotnet", VmmCommand.Path, "run", "--restore", _file, "--name", _name);
        await second.StandardInput.WriteAsync("abc");
        await second.StandardInput.FlushAsync();
        char[] echoed = new char[3];
        using CancellationTokenSource deadline = new(TimeSpan.FromMinutes(2));
        await second.StandardOutput.ReadBlockAsync(echoed, deadline.Token);
        Assert.Equal("abc", new string(echoed));
        second.Kill();
        await second.WaitForExitAsync(deadline.Token);

        // What the killed process left behind is no machine any more.
        CommandResult gone = await VmmCommand.RunAsync("", "stat", _name);
        Assert.Equal(2, gone.Status);
        Assert.Contains($"No machine '{_name}' is running.", gone.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_runs_is_not_given_twice()
    {
        using TinyGuest guest = new(Echo);
        using Process first = await StartAsync("--kernel", guest.Path, "--memory", "16M");
        CommandResult second = await VmmCommand.RunAsync("", "run", "--kernel", guest.Path, "--memory", "16M", "--name", _name);
        Assert.Equal(2, second.Status);
        Assert.Contains($"--name {_name}: a machine of that name is running.", second.Errors, StringComparison.Ordinal);
        first.Kill();
        await first.WaitForExitAsync();
    }

    [Theory]
    [InlineData(new[] { "inspect", "/no/such/file" }, "there is no such file")]
    [InlineData(new[] { "pause" }, "'pause' needs the name of a running machine")]
    [InlineData(new[] { "save", "x" }, "'save' needs the name of a running machine and a file")]
    [InlineData(new[] { "run", "linux", "--restore", "x" }, "--restore x brings its machine along")]
    [InlineData(new[] { "run", "--restore", "/no/such/file" }, "the saved machine cannot be read")]
    [InlineData(new[] { "resume", "../x" }, "No machine '../x' is running.")]
    public async Task A_mistake_is_explained(string[] arguments, string expected)
    {
        CommandResult result = await VmmCommand.RunAsync("", arguments);
        Assert.Equal(2, result.Status);
        Assert.Contains(expected, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_no_saved_machine_is_refused()
    {
        await File.WriteAllTextAsync(_file, "just some text that is long enough");
        CommandResult result = await VmmCommand.RunAsync("", "run", "--restore", _file);
        Assert.Equal(2, result.Status);
        Assert.Contains("it is no saved machine", result.Errors, StringComparison.Ordinal);
    }

    private async Task<Process> StartAsync(params string[] arguments)
    {
        Process process = VmmCommand.Start("dotnet", [VmmCommand.Path, "run", "--name", _name, .. arguments]);
        using CancellationTokenSource deadline = new(TimeSpan.FromMinutes(2));
        char[] first = new char[1];
        await process.StandardOutput.ReadAsync(first, deadline.Token);
        Assert.Equal('R', first[0]);
        return process;
    }

    private static async Task EndAsync(Process process, int status)
    {
        using CancellationTokenSource deadline = new(TimeSpan.FromMinutes(2));
        await process.WaitForExitAsync(deadline.Token);
        Assert.Equal(status, process.ExitCode);
    }
}
