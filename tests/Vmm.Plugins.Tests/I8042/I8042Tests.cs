using Vmm.Plugins.I8042;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.I8042;

public sealed class I8042Tests
{
    private readonly FakeBoard _board = new();
    private readonly I8042Device _controller;

    public I8042Tests() => _controller = Start(_board);

    private static I8042Device Start(FakeBoard board) =>
        board.Start(new I8042Device(new I8042Options(), board, board.Power, board.AddressLine20));

    private byte Status => _board.Ports.In8(0x64);

    private void Command(byte command) => _board.Ports.Out8(0x64, command);

    private void Command(byte command, byte parameter)
    {
        Command(command);
        _board.Ports.Out8(0x60, parameter);
    }

    private byte[] Answers()
    {
        var answers = new List<byte>();
        while ((Status & 0x01) != 0 && answers.Count < 100)
        {
            answers.Add(_board.Ports.In8(0x60));
        }

        return [.. answers];
    }

    private byte[] ToKeyboard(params byte[] bytes)
    {
        var answers = new List<byte>();
        foreach (var value in bytes)
        {
            _board.Ports.Out8(0x60, value);
            answers.AddRange(Answers());
        }

        return [.. answers];
    }

    private byte[] ToMouse(params byte[] bytes)
    {
        var answers = new List<byte>();
        foreach (var value in bytes)
        {
            Command(0xd4, value);
            answers.AddRange(Answers());
        }

        return [.. answers];
    }

    [Fact]
    public void Nothing_waits_after_reset()
    {
        Assert.Equal(0x14, Status);
        Assert.False(_board.Interrupts[1].Asserted);
        Assert.False(_board.Interrupts[12].Asserted);
    }

    [Theory]
    [InlineData(0x20, 0x45)]
    [InlineData(0xaa, 0x55)]
    [InlineData(0xab, 0x00)]
    [InlineData(0xa9, 0x00)]
    [InlineData(0xa4, 0xf1)]
    [InlineData(0xc0, 0x80)]
    [InlineData(0xd0, 0xc3)]
    [InlineData(0xe0, 0x00)]
    public void Commands_with_an_answer_give_it(byte command, byte answer)
    {
        Command(command);
        Assert.Equal([answer], Answers());
    }

    [Fact]
    public void The_probe_of_Linux_finds_controller_and_mouse_without_multiplexer()
    {
        // drivers/input/serio/i8042.c: i8042_controller_selftest, i8042_check_aux, i8042_check_mux.
        Command(0xaa);
        Assert.Equal([0x55], Answers());
        Command(0x60, 0x44);
        Command(0xd3, 0x5a);
        Assert.Equal(0x21, Status & 0x21);
        Assert.Equal([0x5a], Answers());
        Command(0xa9);
        Assert.Equal([0x00], Answers());
        Command(0xa7);
        Command(0x20);
        Assert.Equal([0x64], Answers());
        Command(0xa8);
        Command(0x20);
        Assert.Equal([0x44], Answers());
        foreach (byte multiplexer in new byte[] { 0xf0, 0x56, 0xa4 })
        {
            Command(0xd3, multiplexer);
            Assert.Equal([multiplexer], Answers());
        }

        Command(0x60, 0x46);
        Command(0xd3, 0xa5);
        Assert.True(_board.Interrupts[12].Asserted);
        Assert.Equal([0xa5], Answers());
        Assert.False(_board.Interrupts[12].Asserted);
    }

    [Fact]
    public void The_command_byte_and_the_rest_of_the_memory_hold_what_is_written()
    {
        Command(0x60, 0x71);
        Command(0x20);
        Assert.Equal([0x71], Answers());
        Command(0x7f, 0x99);
        Command(0x3f);
        Assert.Equal([0x99], Answers());
    }

    [Fact]
    public void The_status_tells_which_port_was_written_last()
    {
        Command(0xae);
        Assert.Equal(0x1c, Status);
        _board.Ports.Out8(0x60, 0xee);
        Assert.Equal(0x15, Status);
    }

    [Theory]
    [InlineData(new byte[] { 0xee }, new byte[] { 0xee })]
    [InlineData(new byte[] { 0xf2 }, new byte[] { 0xfa, 0xab, 0x83 })]
    [InlineData(new byte[] { 0xff }, new byte[] { 0xfa, 0xaa })]
    [InlineData(new byte[] { 0xed, 0x07 }, new byte[] { 0xfa, 0xfa })]
    [InlineData(new byte[] { 0xf3, 0x20 }, new byte[] { 0xfa, 0xfa })]
    [InlineData(new byte[] { 0xf0, 0x00 }, new byte[] { 0xfa, 0xfa, 0x02 })]
    [InlineData(new byte[] { 0xf0, 0x03, 0xf0, 0x00 }, new byte[] { 0xfa, 0xfa, 0xfa, 0xfa, 0x03 })]
    [InlineData(new byte[] { 0xf0, 0x04 }, new byte[] { 0xfa, 0xfe })]
    [InlineData(new byte[] { 0xf4 }, new byte[] { 0xfa })]
    [InlineData(new byte[] { 0xf5, 0xf6 }, new byte[] { 0xfa, 0xfa })]
    [InlineData(new byte[] { 0xee, 0xfe }, new byte[] { 0xee, 0xee })]
    [InlineData(new byte[] { 0xed, 0xee }, new byte[] { 0xfa, 0xee })]
    [InlineData(new byte[] { 0x12 }, new byte[] { 0xfe })]
    public void The_keyboard_answers_its_commands(byte[] commands, byte[] answers)
    {
        Command(0x60, 0x05);
        Assert.Equal(answers, ToKeyboard(commands));
    }

    [Fact]
    public void Translation_turns_set_2_into_set_1() => Assert.Equal([0xfa, 0xab, 0x41], ToKeyboard(0xf2));

    [Fact]
    public void Each_byte_of_the_keyboard_is_an_interrupt_edge()
    {
        _board.Ports.Out8(0x60, 0xf2);
        Assert.True(_board.Interrupts[1].Asserted);
        Answers();
        Assert.False(_board.Interrupts[1].Asserted);
        Assert.Equal(3, _board.Interrupts[1].RisingEdges);
        Assert.Equal(0, _board.Interrupts[12].RisingEdges);
    }

    [Fact]
    public void Without_its_interrupt_the_keyboard_is_silent()
    {
        Command(0x60, 0x44);
        Assert.Equal([0xee], ToKeyboard(0xee));
        Assert.Equal(0, _board.Interrupts[1].RisingEdges);
    }

    [Fact]
    public void Bytes_of_a_disabled_keyboard_wait()
    {
        _board.Ports.Out8(0x60, 0xf2);
        Command(0xad);
        Assert.Equal([0xfa], Answers());
        Command(0xae);
        Assert.Equal([0xab, 0x41], Answers());
    }

    [Fact]
    public void An_answer_of_the_controller_goes_before_waiting_bytes_of_the_keyboard()
    {
        _board.Ports.Out8(0x60, 0xf2);
        Command(0x20);
        Assert.Equal([0xfa, 0x45, 0xab, 0x41], Answers());
    }

    [Theory]
    [InlineData(new byte[] { 0xff }, new byte[] { 0xfa, 0xaa, 0x00 })]
    [InlineData(new byte[] { 0xf2 }, new byte[] { 0xfa, 0x00 })]
    [InlineData(new byte[] { 0xe9 }, new byte[] { 0xfa, 0x00, 0x02, 100 })]
    [InlineData(new byte[] { 0xe8, 0x03, 0xf3, 200, 0xe7, 0xf4, 0xe9 }, new byte[] { 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0x30, 0x03, 200 })]
    [InlineData(new byte[] { 0xf0, 0xeb, 0xe9, 0xea, 0xf6 }, new byte[] { 0xfa, 0xfa, 0x08, 0x00, 0x00, 0xfa, 0x40, 0x02, 100, 0xfa, 0xfa })]
    [InlineData(new byte[] { 0xee, 0xf2, 0x01, 0xec, 0xf2 }, new byte[] { 0xfa, 0xf2, 0x01, 0xfa, 0xfa, 0x00 })]
    [InlineData(new byte[] { 0xf4, 0xf5, 0xe6, 0xfe }, new byte[] { 0xfa, 0xfa, 0xfa, 0xfa })]
    [InlineData(new byte[] { 0x55 }, new byte[] { 0xfe })]
    public void The_mouse_answers_its_commands(byte[] commands, byte[] answers) => Assert.Equal(answers, ToMouse(commands));

    [Fact]
    public void Bytes_of_the_mouse_are_marked_and_use_line_12()
    {
        Command(0x60, 0x47);
        Command(0xd4, 0xf2);
        Assert.Equal(0x21, Status & 0x21);
        Assert.True(_board.Interrupts[12].Asserted);
        Answers();
        Assert.Equal(2, _board.Interrupts[12].RisingEdges);
        Assert.Equal(0, _board.Interrupts[1].RisingEdges);
    }

    [Theory]
    [InlineData(0xfe, 1)]
    [InlineData(0xf0, 1)]
    [InlineData(0xff, 0)]
    [InlineData(0xfd, 0)]
    public void A_pulse_of_output_0_resets_the_machine(byte command, int resets)
    {
        Command(command);
        Assert.Equal(resets, _board.Power.Resets);
    }

    [Fact]
    public void The_output_port_drives_A20_and_reset()
    {
        Command(0xd1, 0xdd);
        Assert.False(_board.AddressLine20.Enabled);
        Command(0xd0);
        Assert.Equal([0xc1], Answers());
        Command(0xdf);
        Assert.True(_board.AddressLine20.Enabled);
        Command(0xdd);
        Assert.False(_board.AddressLine20.Enabled);
        Assert.Equal(0, _board.Power.Resets);
        Command(0xd1, 0xfe);
        Assert.Equal(1, _board.Power.Resets);
    }

    [Fact]
    public void Options_come_from_text()
    {
        var board = new FakeBoard();
        var options = (I8042Options)new OptionBinder().Bind(typeof(I8042Options), new FakeOptions("port=0x160,command-port=0x164,irq=5"));
        board.Start(new I8042Device(options, board, board.Power, board.AddressLine20));
        board.Ports.Out8(0x160, 0xee);
        Assert.Equal(0x15, board.Ports.In8(0x164));
        Assert.True(board.Interrupts[5].Asserted);
    }

    [Fact]
    public void Reset_forgets_what_waits_and_opens_A20()
    {
        Command(0xdd);
        _board.Ports.Out8(0x60, 0xf2);
        Command(0xd4);
        _controller.Reset(ResetKind.System);
        Assert.Empty(Answers());
        Assert.True(_board.AddressLine20.Enabled);
        Assert.Equal([0xee], ToKeyboard(0xee));
    }

    [Fact]
    public void State_survives_in_the_middle_of_commands_and_answers()
    {
        ToMouse(0xe7, 0xe8, 0x01);
        _board.Ports.Out8(0x60, 0xf0);
        Command(0xd4, 0xe9);
        Command(0x20);
        Command(0xd4);
        var other = new FakeBoard();
        var fresh = Start(other);
        StateRoundTrip.Check(_controller, fresh);
        Assert.True(other.Interrupts[1].Asserted);
        other.Ports.Out8(0x60, 0xf2);
        var answers = new List<byte>();
        while ((other.Ports.In8(0x64) & 1) != 0)
        {
            answers.Add(other.Ports.In8(0x60));
        }

        Assert.Equal([0xfa, 0x45, 0xfa, 0x10, 0x01, 100, 0xfa, 0x00], answers);
        other.Ports.Out8(0x60, 0x00);
        Assert.Equal(0xfa, other.Ports.In8(0x60));
        Assert.Equal(0x41, other.Ports.In8(0x60));
    }

    [Fact]
    public void An_impossible_scan_code_set_is_refused()
    {
        var state = StateRecord.Save(_controller);
        state.SectionAt(5).Replace(16, 7);
        Assert.Throws<StateException>(() => state.Restore(_controller));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_access_makes_it_throw(int seed) => RegisterFuzz.Run(_board, seed, 50_000);
}
