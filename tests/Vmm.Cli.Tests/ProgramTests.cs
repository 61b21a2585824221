namespace Vmm.Cli.Tests;

/// <summary>The command as people start it: streams and statuses.</summary>
public sealed class ProgramTests
{
    [Fact]
    public async Task Help_and_version_go_to_standard_output_with_status_0()
    {
        CommandResult help = await VmmCommand.RunAsync("", "--help");
        Assert.Equal((0, ""), (help.Status, help.Errors));
        Assert.Contains("vmm run [NAME|machine.json]", help.Output, StringComparison.Ordinal);

        Assert.StartsWith("vmm 1.", (await VmmCommand.RunAsync("", "--version")).Output, StringComparison.Ordinal);
        Assert.Contains("--no-reboot", (await VmmCommand.RunAsync("", "run", "--help")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Plugin_list_and_inspect_show_what_the_plugins_contribute()
    {
        Assert.Contains("vmm.uart-16550", (await VmmCommand.RunAsync("", "plugin", "list")).Output, StringComparison.Ordinal);
        Assert.Contains("First of the eight ports", (await VmmCommand.RunAsync("", "plugin", "inspect", "vmm.uart-16550")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("'rum' is not a command; did you mean 'run'?", "rum")]
    [InlineData("did you mean --kernel?", "run", "--kernl", "x")]
    [InlineData("command line: memory: '0' is too little", "run", "--kernel", "x", "--memory", "0")]
    [InlineData("There is nothing to boot", "run", "--serial", "none")]
    [InlineData("/nonexistent: the kernel cannot be read", "run", "--kernel", "/nonexistent", "--serial", "none")]
    [InlineData("not a kernel: it has no header", "run", "--kernel", "{vmm}", "--serial", "none")]
    [InlineData("'turbo' is not in this build", "run", "--kernel", "{vmm}", "--engine", "turbo")]
    [InlineData("there is no folder /nonexistent to look for plugins in", "plugin", "list", "--plugins", "/nonexistent")]
    [InlineData("'plugin lst' is not a command", "plugin", "lst")]
    [InlineData("there is no plugin 'vmm.uart'", "plugin", "inspect", "vmm.uart")]
    [InlineData("there is no image 'windows'", "image", "pull", "windows")]
    [InlineData("/nonexistent.json: the machine file cannot be read", "run", "/nonexistent.json")]
    public async Task A_mistake_is_a_message_on_standard_error_and_status_2(string message, params string[] arguments)
    {
        CommandResult result = await VmmCommand.RunAsync("", [.. arguments.Select(a => a.Replace("{vmm}", VmmCommand.Path, StringComparison.Ordinal))]);

        Assert.Equal((2, ""), (result.Status, result.Output));
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }
}
