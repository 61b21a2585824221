namespace Vmm.Kernel.Tests;

public sealed class InterruptFabricTests
{
    private readonly InterruptFabric _fabric = new();
    private readonly Controller _controller = new();

    [Fact]
    public void A_shared_line_is_asserted_while_any_source_is()
    {
        Attach();
        IInterruptLine first = _fabric.Line(11), second = _fabric.Line(11);
        first.Set(true);
        second.Set(true);
        first.Set(false);
        Assert.Equal(["11+"], _controller.Seen);
        second.Set(false);
        Assert.Equal(["11+", "11-"], _controller.Seen);
    }

    [Fact]
    public void A_source_that_repeats_itself_is_heard_once()
    {
        Attach();
        IInterruptLine line = _fabric.Line(3);
        line.Set(true);
        line.Set(true);
        line.Set(false);
        line.Set(false);
        Assert.Equal(["3+", "3-"], _controller.Seen);
    }

    [Fact]
    public void A_controller_attached_late_hears_of_asserted_lines()
    {
        _fabric.Line(5).Set(true);
        _fabric.Line(6).Set(false);
        Attach();
        Assert.Equal(["5+"], _controller.Seen);
    }

    [Fact]
    public void The_acknowledge_cycle_goes_to_the_controller_that_hands_out_vectors()
    {
        Assert.Null(_fabric.AcknowledgeExternal());
        Attach();
        Assert.Equal((byte)0x30, _fabric.AcknowledgeExternal());
    }

    [Fact]
    public void A_controller_that_throws_is_faulted_and_left_alone()
    {
        var faults = new List<string>();
        _fabric.Attach(new DeviceInstance("pic", (_, what, _) => faults.Add(what)), _controller);
        _controller.Throw = true;
        _fabric.Line(1).Set(true);
        _fabric.Line(2).Set(true);
        Assert.Equal(["interrupt line 1"], faults);
        Assert.Null(_fabric.AcknowledgeExternal());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1024)]
    public void A_line_number_out_of_range_is_refused(int line) => Assert.Throws<ArgumentOutOfRangeException>(() => _fabric.Line(line));

    private void Attach() => _fabric.Attach(new DeviceInstance("pic", (_, _, e) => throw e), _controller);

    private sealed class Controller : IInterruptController, IExternalInterruptSource
    {
        public List<string> Seen { get; } = [];

        public bool Throw { get; set; }

        public void SetLine(int line, bool asserted)
        {
            if (Throw)
            {
                throw new InvalidOperationException();
            }

            Seen.Add($"{line}{(asserted ? '+' : '-')}");
        }

        public byte Acknowledge() => 0x30;
    }
}
