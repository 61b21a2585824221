using Iced.Intel;
using Vmm.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.EndToEnd.Tests.Guests;

/// <summary>Every way in which a guest ends has its exit status.</summary>
public sealed class EndOfGuestTests : GuestTest
{
    [Fact]
    public async Task A_guest_that_powers_off_ends_with_status_0()
    {
        VmmResult result = await RunAsync(a =>
        {
            a.Send("bye\n");
            a.PowerOff();
        });

        AssertStatus(0, result);
        Assert.Equal("bye\n", result.Output);
        Assert.Empty(result.Errors);
    }

    [Theory]
    [InlineData(0x00, 1)]
    [InlineData(0x2A, 85)]
    [InlineData(0x7F, 255)]
    [InlineData(0x80, 1)]
    public async Task A_guest_that_writes_v_to_the_debug_exit_device_ends_with_status_2v_plus_1(byte value, int status)
    {
        VmmResult result = await RunAsync(
            a =>
            {
                a.WritePort(0xF4, value);
                a.Stop();
            },
            "--device", "isa-debug-exit,port=0xf4");

        AssertStatus(status, result);
    }

    [Theory]
    [InlineData(0x64, 0xFE)]
    [InlineData(0x92, 0x01)]
    public async Task A_guest_that_resets_itself_ends_with_status_0_when_a_reset_is_the_end(ushort port, byte value)
    {
        VmmResult result = await RunAsync(
            a =>
            {
                a.Send("once\n");
                a.WritePort(port, value);
                a.Stop();
            },
            "--no-reboot");

        AssertStatus(0, result);
        Assert.Equal("once\n", result.Output);
    }

    [Fact]
    public async Task A_guest_that_resets_itself_starts_again_when_a_reset_is_not_the_end()
    {
        const byte mark = 0x50; // in the battery-backed memory, which a reset does not clear
        VmmResult result = await RunAsync(a =>
        {
            Label second = a.CreateLabel();
            a.Send("start\n");
            a.WritePort(0x70, mark);
            a.@in(al, 0x71);
            a.cmp(al, 1);
            a.je(second);
            a.WritePort(0x71, 1);
            a.WritePort(0x64, 0xFE);
            a.Stop();
            a.Label(ref second);
            a.PowerOff();
        });

        AssertStatus(0, result);
        Assert.Equal("start\nstart\n", result.Output);
    }

    [Fact]
    public async Task A_triple_fault_ends_with_status_6_when_a_reset_is_the_end()
    {
        VmmResult result = await RunAsync(
            a =>
            {
                a.Send("down\n");
                a.push(0);
                a.push(0);
                a.lidt(__[esp]); // a table of no length
                a.ud2();
            },
            "--no-reboot");

        AssertStatus(6, result);
        Assert.Equal("down\n", result.Output);
    }

    [Theory]
    [InlineData(0xF000_0000)]
    [InlineData(0x0800_0000)]
    [InlineData(0x000A_0000)]
    public async Task A_guest_that_jumps_to_where_nothing_is_ends_with_a_triple_fault(uint target)
    {
        // Nothing reads as all ones, which is no instruction, and there are no handlers.
        VmmResult result = await RunAsync(
            a =>
            {
                a.mov(eax, target);
                a.jmp(eax);
            },
            "--no-reboot");

        AssertStatus(6, result);
        Assert.Empty(result.Output);
    }

    [Fact]
    public async Task A_running_machine_ends_in_an_orderly_way_when_it_is_told_to()
    {
        await using VmmProcess machine = VmmProcess.Start(Arguments(a =>
        {
            a.Send("up\n");
            a.Stop();
        }));
        await machine.ExpectAsync("up\n", Deadlines.Command);
        machine.Terminate();
        VmmResult result = await machine.WaitForEndAsync(Deadlines.Command);

        AssertStatus(128 + 15, result);
        Assert.Empty(result.Errors);
    }

    [Fact]
    public async Task What_a_guest_sends_can_go_to_a_file()
    {
        string log = Folder.At("serial.txt");
        VmmResult result = await RunAsync(
            a =>
            {
                a.Send("to the file\n");
                a.PowerOff();
            },
            "--serial", $"file:{log}");

        AssertStatus(0, result);
        Assert.Empty(result.Output);
        Assert.Equal("to the file\n", await File.ReadAllTextAsync(log));
    }

    [Fact]
    public async Task What_is_typed_reaches_the_guest()
    {
        await using VmmProcess machine = VmmProcess.Start(Arguments(a =>
        {
            Label next = a.CreateLabel();
            Label wait = a.CreateLabel();
            a.Send("type\n");
            a.Label(ref next);
            a.mov(dx, 0x3FD);
            a.Label(ref wait);
            a.@in(al, dx);
            a.test(al, 1);
            a.jz(wait);
            a.mov(dx, 0x3F8);
            a.@in(al, dx);
            a.add(al, 1);
            a.mov(bl, al);
            a.SendAl();
            a.cmp(bl, '\n' + 1);
            a.jne(next);
            a.PowerOff();
        }));
        await machine.ExpectAsync("type\n", Deadlines.Command);
        await machine.TypeAsync("HAL\n");
        VmmResult result = await machine.WaitForEndAsync(Deadlines.Command);

        AssertStatus(0, result);
        Assert.Equal("type\nIBM\v", result.Output);
    }
}
