using Vmm.Cli.Arguments;

namespace Vmm.Cli.Tests;

public sealed class ParsedArgumentsTests
{
    private static readonly Option[] Options =
    [
        new("memory", "SIZE", ""), new("disk", "LIST", "", Repeatable: true), new("no-reboot", null, ""),
    ];

    [Fact]
    public void Values_follow_their_option_or_an_equals_sign()
    {
        ParsedArguments parsed = ParsedArguments.Parse(["linux", "--memory", "1G", "--disk=path=a,b=c", "--disk", "path=d", "--no-reboot"], Options);

        Assert.Equal(["linux"], parsed.Words);
        Assert.Equal("1G", parsed.Find("memory"));
        Assert.Equal(["path=a,b=c", "path=d"], parsed.All("disk"));
        Assert.True(parsed.Has("no-reboot"));
    }

    [Fact]
    public void Two_dashes_end_the_options()
    {
        Assert.Equal(["--memory"], ParsedArguments.Parse(["--", "--memory"], Options).Words);
    }

    [Theory]
    [InlineData("--memroy=1G", "did you mean --memory?")]
    [InlineData("-m", "-m is not an option")]
    [InlineData("--memory", "--memory needs a value")]
    [InlineData("--no-reboot=on", "takes no value")]
    public void A_wrong_option_is_told(string argument, string problem)
    {
        UsageException error = Assert.Throws<UsageException>(() => ParsedArguments.Parse([argument], Options));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_option_that_may_stand_once_is_refused_twice()
    {
        Assert.Contains("given twice", Assert.Throws<UsageException>(() => ParsedArguments.Parse(["--memory=1", "--memory=2"], Options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_has_a_head_and_pairs_and_doubled_commas()
    {
        (string head, IReadOnlyList<KeyValuePair<string, string>> pairs) = KeyValueList.Parse("--device", "led,port=0x100,label=a,,b", hasHead: true);

        Assert.Equal("led", head);
        Assert.Equal([new("port", "0x100"), new("label", "a,b")], pairs);
    }

    [Theory]
    [InlineData("port=1", "starts with a type")]
    [InlineData("led,port", "'port' is not key=value")]
    [InlineData("led,a=1,A=2", "'A' is given twice")]
    public void A_wrong_list_is_told(string text, string problem)
    {
        Assert.Contains(problem, Assert.Throws<UsageException>(() => KeyValueList.Parse("--device", text, hasHead: true)).Message, StringComparison.Ordinal);
    }
}
