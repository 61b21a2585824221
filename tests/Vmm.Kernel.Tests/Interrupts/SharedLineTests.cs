namespace Vmm.Kernel.Tests.Interrupts;

public sealed class SharedLineTests
{
    private readonly List<bool> _changes = [];
    private readonly SharedLine _line;

    public SharedLineTests() => _line = new SharedLine(_changes.Add);

    [Fact]
    public void A_line_is_asserted_while_any_source_is()
    {
        var (one, two) = (_line.AddSource(), _line.AddSource());

        one.Set(true);
        two.Set(true);
        two.Set(true);
        one.Set(false);
        Assert.True(_line.Asserted);
        two.Set(false);

        Assert.Equal([true, false], _changes);
    }

    [Fact]
    public void A_line_follows_its_exclusive_source_alone()
    {
        var (one, other) = (_line.AddSource(), _line.AddSource());
        other.Set(true);

        one.Exclusive = true;
        Assert.False(_line.Asserted);
        other.Set(false);
        other.Set(true);
        one.Set(true);
        one.Set(false);

        Assert.Equal([true, false, true, false], _changes);
        Assert.True(one.Exclusive);
    }

    [Fact]
    public void The_other_sources_count_again_when_the_exclusive_one_lets_go()
    {
        var (one, other) = (_line.AddSource(), _line.AddSource());
        one.Exclusive = true;
        other.Set(true);
        Assert.False(_line.Asserted);

        other.Exclusive = false;
        Assert.False(_line.Asserted);
        one.Exclusive = false;

        Assert.True(_line.Asserted);
    }

    [Fact]
    public void The_last_of_several_exclusive_sources_wins()
    {
        var (one, two) = (_line.AddSource(), _line.AddSource());
        one.Set(true);
        one.Exclusive = true;

        two.Exclusive = true;

        Assert.False(one.Exclusive);
        Assert.False(_line.Asserted);
    }
}
