using System.Globalization;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>The shell of the ready-made Linux behind a console.</summary>
internal sealed class Shell(IGuestConsole console)
{
    /// <summary>What the user space of the image prints when it is up.</summary>
    public const string Banner = "is up after";

    /// <summary>What it prints when it waits for a command.</summary>
    public const string Prompt = "vmm:/root# ";
    private int _number;

    /// <summary>Waits for the prompt of a machine that was started.</summary>
    public static async Task<Shell> WaitAsync(IGuestConsole console)
    {
        await console.ExpectAsync(Banner, Deadlines.Boot);
        await console.ExpectAsync(Prompt, Deadlines.Line);
        return new Shell(console);
    }

    /// <summary>Runs a command.</summary>
    /// <returns>What it wrote and its status.</returns>
    public async Task<(string Output, int Status)> RunAsync(string command)
    {
        // The echo of what is typed has the quotes in it, so that it is never taken for the mark.
        int number = ++_number;
        await console.TypeAsync($"echo '<'{number}'<'; {command}; echo '>'{number}'>'$?.\n");
        await console.ExpectAsync($"<{number}<\r\n", Deadlines.Line);
        string output = await console.ExpectAsync($">{number}>", Deadlines.Line);
        string status = await console.ExpectAsync(".", Deadlines.Line);
        await console.ExpectAsync(Prompt, Deadlines.Line);
        return (output.Replace("\r\n", "\n", StringComparison.Ordinal), int.Parse(status, CultureInfo.InvariantCulture));
    }

    /// <summary>Starts to turn the machine off.</summary>
    public Task PowerOffAsync() => console.TypeAsync("poweroff -f\n");
}
