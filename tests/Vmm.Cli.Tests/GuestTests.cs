using System.Diagnostics;

namespace Vmm.Cli.Tests;

/// <summary>Small guests under the command: streams, statuses, signals, the terminal.</summary>
public sealed class GuestTests
{
    [Fact]
    public async Task A_guest_that_powers_off_gives_status_0()
    {
        using TinyGuest guest = new(TinyGuest.PowerOff);
        Assert.Equal(new CommandResult(0, "", ""), await RunAsync(guest));
    }

    [Theory]
    [InlineData("translator")]
    [InlineData("interpreter")]
    [InlineData("lockstep")]
    public async Task Every_tier_of_the_software_engine_runs_a_guest(string tier)
    {
        using TinyGuest guest = new(TinyGuest.PowerOff);
        Assert.Equal(0, (await RunAsync(guest, "--engine", "software", "--engine-option", $"tier={tier}")).Status);
    }

    [Theory]
    [InlineData("tier=warp", "'warp' is none of translator, interpreter, lockstep")]
    [InlineData("teir=lockstep", "no option 'teir'; did you mean 'tier'?")]
    public async Task An_engine_option_that_is_wrong_is_refused_by_name(string option, string message)
    {
        using TinyGuest guest = new(TinyGuest.PowerOff);
        CommandResult result = await RunAsync(guest, "--engine", "software", "--engine-option", option);
        Assert.Equal(2, result.Status);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_write_to_the_debug_exit_device_gives_its_odd_status()
    {
        // mov al, 15h; out F4h, al; hlt
        using TinyGuest guest = new(0xB0, 0x15, 0xE6, 0xF4, 0xF4);
        Assert.Equal(0x2B, (await RunAsync(guest, "--device", "isa-debug-exit,port=0xf4")).Status);
    }

    [Fact]
    public async Task A_reset_under_no_reboot_gives_status_0()
    {
        // mov dx, CF9h; mov al, 6; out dx, al; hlt
        using TinyGuest guest = new(0x66, 0xBA, 0xF9, 0x0C, 0xB0, 0x06, 0xEE, 0xF4);
        Assert.Equal(0, (await RunAsync(guest)).Status);
    }

    [Fact]
    public async Task A_triple_fault_under_no_reboot_gives_status_6()
    {
        // lidt [Entry + 0x40], which holds zeros; int3
        using TinyGuest guest = new([0x0F, 0x01, 0x1D, .. BitConverter.GetBytes(TinyGuest.Entry + 0x40), 0xCC]);
        Assert.Equal(6, (await RunAsync(guest)).Status);
    }

    [Fact]
    public async Task A_jump_to_nowhere_ends_and_does_not_hang()
    {
        // lidt of zeros; mov eax, D0000000h; jmp eax
        using TinyGuest guest = new([0x0F, 0x01, 0x1D, .. BitConverter.GetBytes(TinyGuest.Entry + 0x40), 0xB8, 0, 0, 0, 0xD0, 0xFF, 0xE0]);
        CommandResult result = await RunAsync(guest);
        Assert.Contains(result.Status, (int[])[4, 6]);
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serial_output_is_all_that_stands_on_standard_output()
    {
        // mov dx, 3F8h; mov al, 'H'; out dx, al; mov al, 'i'; out dx, al
        using TinyGuest guest = new([0x66, 0xBA, 0xF8, 0x03, 0xB0, (byte)'H', 0xEE, 0xB0, (byte)'i', 0xEE, .. TinyGuest.PowerOff]);
        CommandResult result = await RunAsync(guest, "--stat");
        Assert.Equal((0, "Hi"), (result.Status, result.Output));
        Assert.Contains("IoInstruction", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Standard_input_reaches_the_guest_through_a_pipe_and_its_end_is_not_the_guests_end()
    {
        // mov ecx, 3
        // l: mov dx, 3FDh; w: in al, dx; test al, 1; jz w; mov dx, 3F8h; in al, dx; out dx, al; loop l
        byte[] echoThree =
        [
            0xB9, 3, 0, 0, 0,
            0x66, 0xBA, 0xFD, 0x03, 0xEC, 0xA8, 0x01, 0x74, 0xFB, 0x66, 0xBA, 0xF8, 0x03, 0xEC, 0xEE, 0xE2, 0xEF,
        ];
        using TinyGuest guest = new([.. echoThree, .. TinyGuest.PowerOff]);
        CommandResult result = await VmmCommand.RunAsync("a\u0001x", "run", "--kernel", guest.Path, "--memory", "16M", "--no-reboot");
        Assert.Equal((0, "a\u0001x"), (result.Status, result.Output));
    }

    [Fact]
    public async Task Serial_output_can_go_to_a_file()
    {
        string file = Path.GetTempFileName();
        try
        {
            using TinyGuest guest = new([0x66, 0xBA, 0xF8, 0x03, 0xB0, (byte)'F', 0xEE, .. TinyGuest.PowerOff]);
            Assert.Equal("", (await RunAsync(guest, "--serial", $"file:{file}")).Output);
            Assert.Equal("F", await File.ReadAllTextAsync(file));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_termination_signal_ends_an_idle_guest_with_its_status()
    {
        // The guest says that it runs, then idles.
        using TinyGuest guest = new([0x66, 0xBA, 0xF8, 0x03, 0xB0, (byte)'R', 0xEE, .. TinyGuest.Idle]);
        using Process process = VmmCommand.Start("dotnet", VmmCommand.Path, "run", "--kernel", guest.Path, "--memory", "16M");
        using CancellationTokenSource deadline = new(TimeSpan.FromMinutes(1));
        char[] first = new char[1];
        await process.StandardOutput.ReadAsync(first, deadline.Token);
        Process.Start("kill", ["-TERM", $"{process.Id}"]).WaitForExit();
        await process.WaitForExitAsync(deadline.Token);
        Assert.Equal(('R', 143), (first[0], process.ExitCode));
    }

    [Fact]
    public async Task Control_A_X_leaves_and_the_terminal_is_as_it_was()
    {
        using TinyGuest guest = new([0x66, 0xBA, 0xF8, 0x03, 0xB0, (byte)'R', 0xEE, .. TinyGuest.Idle]);
        string session = $"stty -g; dotnet {VmmCommand.Path} run --kernel {guest.Path} --memory 16M; echo status=$?; stty -g";
        using Process process = VmmCommand.Start("script", "-qfec", session, "/dev/null");
        using CancellationTokenSource deadline = new(TimeSpan.FromMinutes(1));
        string output = "";
        char[] buffer = new char[256];
        while (!output.Contains("\nR", StringComparison.Ordinal))
        {
            int count = await process.StandardOutput.ReadAsync(buffer, deadline.Token);
            Assert.NotEqual(0, count);
            output += new string(buffer, 0, count);
        }

        await process.StandardInput.WriteAsync("\u0001x");
        await process.StandardInput.FlushAsync(deadline.Token);
        output += await process.StandardOutput.ReadToEndAsync(deadline.Token);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Assert.Equal("Rstatus=0", lines[1]);
        Assert.Equal(lines[0], lines[2]);
    }

    private static Task<CommandResult> RunAsync(TinyGuest guest, params string[] more) =>
        VmmCommand.RunAsync("", ["run", "--kernel", guest.Path, "--memory", "16M", "--no-reboot", .. more]);
}
