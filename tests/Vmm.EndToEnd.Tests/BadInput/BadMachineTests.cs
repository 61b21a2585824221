using System.Text;

namespace Vmm.EndToEnd.Tests.BadInput;

/// <summary>Machines that cannot be built as described.</summary>
public sealed class BadMachineTests : RefusalTest
{
    [Theory]
    [InlineData("0", "too little")]
    [InlineData("512", "did you mean 512M?")]
    [InlineData("16777217", "not a multiple of 4 KiB")]
    [InlineData("much", "'much' is not a memory size")]
    [InlineData("-1", "'-1' is not a memory size")]
    [InlineData("64T", "more than this host can give")]
    public async Task A_memory_size_that_cannot_be_is_refused(string size, string hint) =>
        await AssertMachineRefusedAsync(["--memory", size], hint);

    [Theory]
    [InlineData("0")]
    [InlineData("256")]
    [InlineData("two")]
    public async Task A_number_of_processors_that_cannot_be_is_refused(string number) =>
        await AssertMachineRefusedAsync(["--cpus", number], $"'{number}' is not a number of processors from 1 to 255");

    [Fact]
    public async Task An_unknown_option_is_refused_with_the_nearest() =>
        await AssertRefusedAsync(["run", "--memroy", "1G"], "--memroy", "--memory");

    [Fact]
    public async Task An_unknown_command_is_refused_with_the_nearest() => await AssertRefusedAsync(["rnu"], "'rnu'", "did you mean 'run'?");

    [Fact]
    public async Task An_option_without_its_value_is_refused() => await AssertRefusedAsync(["run", "--kernel"], "--kernel");

    [Fact]
    public async Task An_unknown_device_type_is_refused_with_the_nearest() =>
        await AssertMachineRefusedAsync(["--device", "uart-16551"], "'uart-16551'", "did you mean 'uart-16550'?");

    [Fact]
    public async Task An_unknown_option_of_a_device_is_refused_with_the_nearest() =>
        await AssertMachineRefusedAsync(["--device", "isa-debug-exit,prot=0xf4"], "'prot'", "port");

    [Fact]
    public async Task A_value_out_of_range_is_refused_with_its_key() =>
        await AssertMachineRefusedAsync(["--device", "isa-debug-exit,port=70000"], "option 'port'", "70000");

    [Fact]
    public async Task Overlapping_ports_are_refused_with_both_owners_all_at_once() =>
        await AssertMachineRefusedAsync(
            ["--device", "isa-debug-exit,name=first,port=0x3fa", "--device", "isa-debug-exit,name=second,port=0x60"],
            "com1", "first", "i8042", "second");

    [Fact]
    public async Task An_unknown_scheduler_is_refused_with_the_nearest() =>
        await AssertMachineRefusedAsync(["--scheduler", "round-robbin"], "did you mean 'round-robin'?");

    [Theory]
    [InlineData("user")]
    [InlineData("tap")]
    public async Task A_network_backend_that_no_plugin_has_is_refused_with_those_that_there_are(string name) =>
        await AssertMachineRefusedAsync(["--net", name], $"no network backend '{name}'", "installed: hub");

    [Fact]
    public async Task An_Ethernet_address_that_is_none_is_refused() =>
        await AssertMachineRefusedAsync(["--net", "hub,mac=01:00:5e:00:00:01"], "option 'mac'", "52:54:00:12:34:56");

    [Fact]
    public async Task An_unknown_engine_is_refused() => await AssertMachineRefusedAsync(["--engine", "steam"], "'steam'", "software");

    [Fact]
    public async Task A_missing_folder_of_plugins_is_refused() =>
        await AssertMachineRefusedAsync(["--plugins", "/nonexistent/plugins"], "/nonexistent/plugins");

    [Fact]
    public async Task A_malformed_machine_file_is_refused_with_its_line()
    {
        string file = Folder.Write("machine.json", Encoding.UTF8.GetBytes("{\n  \"memory\": \"64M\",\n  \"cpus\": 1,,\n}\n"));
        await AssertRefusedAsync(["run", file], $"{file}:3:", "not valid JSON");
    }

    [Fact]
    public async Task An_unknown_key_of_a_machine_file_is_refused_with_the_nearest()
    {
        string file = Folder.Write("machine.json", Encoding.UTF8.GetBytes("{ \"memroy\": \"64M\" }\n"));
        await AssertRefusedAsync(["run", file], file, "unknown key 'memroy'", "did you mean 'memory'?");
    }

    [Fact]
    public async Task A_missing_machine_file_is_refused() =>
        await AssertRefusedAsync(["run", "/nonexistent/machine.json"], "/nonexistent/machine.json");

    [Fact]
    public async Task A_serial_file_that_cannot_be_written_is_refused() =>
        await AssertMachineRefusedAsync(["--serial", "file:/nonexistent/serial.txt"], "/nonexistent/serial.txt", "cannot be written");
}
