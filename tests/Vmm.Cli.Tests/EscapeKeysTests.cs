using System.Text;
using Vmm.Cli.Terminal;

namespace Vmm.Cli.Tests;

public sealed class EscapeKeysTests
{
    private int _quits;
    private int _helps;

    [Theory]
    [InlineData("ls\r\u0003", "ls\r\u0003", 0, 0)]
    [InlineData("a\u0001xb", "ab", 1, 0)]
    [InlineData("\u0001X", "", 1, 0)]
    [InlineData("\u0001\u0001", "\u0001", 0, 0)]
    [InlineData("\u0001a", "\u0001", 0, 0)]
    [InlineData("\u0001h", "", 0, 1)]
    [InlineData("\u0001zq", "q", 0, 0)]
    public void Our_keys_are_taken_out_and_the_rest_stays(string typed, string kept, int quits, int helps)
    {
        Assert.Equal(kept, Filter(New(), typed));
        Assert.Equal((quits, helps), (_quits, _helps));
    }

    [Fact]
    public void The_two_keys_may_come_in_two_reads()
    {
        EscapeKeys keys = New();

        Assert.Equal("", Filter(keys, "\u0001"));
        Assert.Equal("y", Filter(keys, "xy"));
        Assert.Equal(1, _quits);
    }

    private EscapeKeys New() => new(() => _quits++, () => _helps++);

    private static string Filter(EscapeKeys keys, string typed)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(typed);
        return Encoding.ASCII.GetString(bytes, 0, keys.Filter(bytes));
    }
}
