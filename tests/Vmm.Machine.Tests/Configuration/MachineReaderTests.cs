using Vmm.Kernel;
using Vmm.Machine.Boot;
using Vmm.Machine.Configuration;
using Vmm.Sdk;

namespace Vmm.Machine.Tests.Configuration;

public sealed class MachineReaderTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"machine-{Guid.NewGuid():N}.json");

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void The_built_in_board_is_a_PC_with_half_a_gigabyte()
    {
        MachineDescription machine = Read();

        Assert.Equal(512ul << 20, machine.MemoryBytes);
        Assert.Equal(1, machine.ProcessorCount);
        Assert.Equal("round-robin", machine.Scheduler.Type);
        DeviceDescription com1 = Assert.Single(machine.Devices, device => device.Name == "com1");
        Assert.Equal("uart-16550", com1.Type);
        Assert.Equal("0x3f8", com1.Options.Find("PORT"));
        Assert.Equal("pc.json: devices:com1", com1.Options.Source);
        Assert.Equal(new PciAddress(0, 0, 0), Assert.Single(machine.Devices, device => device.Name == "pci").PciAddress);
    }

    [Fact]
    public void Command_line_wins_over_environment_over_machine_file_over_board()
    {
        File.WriteAllText(_file, """{ "memory": "64M", "cpus": 2, "serial": "none" }""");
        MachineDescription machine = Read(
            [new("memory", "256M")], new Dictionary<string, string> { ["VMM_MEMORY"] = "128M", ["VMM_CPUS"] = "3", ["PATH"] = "x" }, _file);

        Assert.Equal(256ul << 20, machine.MemoryBytes);
        Assert.Equal(3, machine.ProcessorCount);
        Assert.Equal("none", machine.Serial);
        Assert.Equal("nvme", Read([new("disks:d:path", "x")]).Disks[0].Device);
    }

    [Fact]
    public void A_network_has_a_backend_behind_the_board_s_device()
    {
        NetworkDescription network = Assert.Single(Read(
            [new("networks:lan:backend", "hub"), new("networks:lan:mac", "52:54:00:00:00:01"), new("networks:lan:options:segment", "lab")]).Networks);

        Assert.Equal(("lan", "hub", "virtio-net"), (network.Name, network.Backend, network.Device));
        Assert.Equal("52:54:00:00:00:01", network.DeviceOptions.Find("mac"));
        Assert.Equal("lab", network.BackendOptions.Find("segment"));
    }

    [Fact]
    public void A_later_layer_takes_networks_away_with_none()
    {
        File.WriteAllText(_file, """{ "networks": { "lan": { "backend": "hub" } } }""");

        Assert.Single(Read(file: _file).Networks);
        Assert.Empty(Read([new("networks", "none")], file: _file).Networks);
    }

    [Fact]
    public void A_network_without_a_backend_is_refused() =>
        Assert.Contains("networks:lan: has no 'backend'", Assert.Throws<MachineException>(() => Read([new("networks:lan:mac", "x")])).Message, StringComparison.Ordinal);

    [Fact]
    public void The_environment_reaches_options_of_devices()
    {
        MachineDescription machine = Read(environment: new() { ["VMM_DEVICES__COM1__OPTIONS__PORT"] = "0x2f8" });

        DeviceDescription com1 = Assert.Single(machine.Devices, device => device.Name.Equals("com1", StringComparison.OrdinalIgnoreCase));
        Assert.Equal("0x2f8", com1.Options.Find("port"));
        Assert.Equal("environment: devices:com1", com1.Options.Source, ignoreCase: true);
    }

    [Fact]
    public void A_device_of_the_board_can_be_left_out()
    {
        Assert.DoesNotContain(Read([new("devices:hpet:enabled", "off")]).Devices, device => device.Name == "hpet");
    }

    [Fact]
    public void A_scheduler_may_be_given_by_name_alone()
    {
        Assert.Equal("credit", Read([new("scheduler", "credit")]).Scheduler.Type);
    }

    [Fact]
    public void Words_for_choices_are_read_without_regard_to_case()
    {
        MachineDescription machine = Read([new("onFault", "Stop"), new("entry", "PVH"), new("noReboot", "yes")]);

        Assert.Equal(FaultPolicy.Stop, machine.OnFault);
        Assert.Equal(BootEntry.Pvh, machine.Entry);
        Assert.True(machine.NoReboot);
    }

    [Fact]
    public void A_disk_gives_path_and_readonly_to_its_backend()
    {
        DiskDescription disk = Assert.Single(Read([new("disks:d:path", "a.img"), new("disks:d:readonly", "on"), new("disks:d:options:cache", "unsafe")]).Disks);

        Assert.Equal("raw", disk.Format);
        Assert.Equal(["a.img", "on", "unsafe"], ((string[])["path", "readonly", "cache"]).Select(key => disk.Options.Find(key)));
    }

    [Theory]
    [InlineData("0", "too little")]
    [InlineData("512", "did you mean 512M?")]
    [InlineData("16777217", "not a multiple of 4 KiB")]
    [InlineData("much", "not a memory size")]
    [InlineData("-1G", "not a memory size")]
    [InlineData("99999999999999999999G", "not a memory size")]
    public void A_memory_size_that_cannot_be_used_is_refused(string size, string problem)
    {
        MachineException error = Assert.Throws<MachineException>(() => Read([new("memory", size)]));
        Assert.StartsWith($"command line: memory: '{size}'", error.Message, StringComparison.Ordinal);
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("256")]
    [InlineData("two")]
    public void A_number_of_processors_that_cannot_be_used_is_refused(string count)
    {
        Assert.Contains("1 to 255", Assert.Throws<MachineException>(() => Read([new("cpus", count)])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Malformed_JSON_is_told_with_file_and_line()
    {
        File.WriteAllText(_file, "{\n  \"memory\": \"64M\",\n  \"cpus\": ,\n}\n");
        MachineException error = Assert.Throws<MachineException>(() => Read(file: _file));
        Assert.StartsWith($"{_file}:3: not valid JSON", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_unknown_key_is_told_with_file_and_nearest_key()
    {
        File.WriteAllText(_file, """{ "memroy": "64M", "devices": { "com1": { "kind": "x", "chanel": "none" } } }""");
        string message = Assert.Throws<MachineException>(() => Read(file: _file)).Message;

        Assert.Contains($"{_file}: unknown key 'memroy'; did you mean 'memory'?", message, StringComparison.Ordinal);
        Assert.Contains("unknown key 'devices:com1:chanel'; did you mean 'channel'?", message, StringComparison.Ordinal);
        Assert.Contains("unknown key 'devices:com1:kind'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_variable_in_the_environment_is_only_a_warning()
    {
        MachineConfiguration configuration = MachineConfiguration.Load(null, [], new Dictionary<string, string> { ["VMM_HOME"] = "/x" });
        Assert.Contains("unknown key 'HOME'", Assert.Single(configuration.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_machine_file_is_told()
    {
        Assert.Contains("cannot be read", Assert.Throws<MachineException>(() => Read(file: "/nonexistent/machine.json")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_PCI_address_that_is_none_is_refused()
    {
        Assert.Contains("'99' is not a PCI address", Assert.Throws<MachineException>(() => Read([new("devices:pci:pci", "99")])).Message, StringComparison.Ordinal);
    }

    private static MachineDescription Read(
        IEnumerable<KeyValuePair<string, string?>>? commandLine = null, Dictionary<string, string>? environment = null, string? file = null) =>
        MachineReader.Read(MachineConfiguration.Load(file, commandLine ?? [], environment ?? []));
}
