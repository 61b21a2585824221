using System.Reflection;
using Vmm.Engine.Software;
using Vmm.Kernel.Plugins;
using Vmm.Kernel;
using Vmm.Machine.Boards;
using Vmm.Machine.Configuration;
using Vmm.Machine.Tests.Boot;
using Vmm.Sdk;

namespace Vmm.Machine.Tests.Boards;

/// <summary>The PC is built with the real plugins; no guest runs.</summary>
public sealed class MachineBuilderTests : IDisposable
{
    private static readonly PluginHost Plugins = PluginHost.Open(
        [typeof(MachineBuilderTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == "PluginsFolder").Value!]);

    private readonly string _kernel = Path.Combine(Path.GetTempPath(), $"kernel-{Guid.NewGuid():N}");

    public MachineBuilderTests() => File.WriteAllBytes(_kernel, KernelImages.LinuxImage());

    public void Dispose() => File.Delete(_kernel);

    [Fact]
    public async Task The_PC_has_every_device_of_its_board_and_no_conflict()
    {
        await using AssembledMachine machine = Build();

        Assert.NotNull(machine.VirtualMachine.Pci.Find(new PciAddress(0, 0, 0)));
        Assert.Equal(["low RAM", "RAM"], machine.VirtualMachine.Memory.Map.Select(region => region.Name));
    }

    [Fact]
    public async Task A_disk_is_a_PCI_function_at_the_first_free_place()
    {
        await using AssembledMachine machine = Build([new("disks:d:format", "memory"), new("disks:d:options:size", "1M")]);

        Assert.NotNull(machine.VirtualMachine.Pci.Find(new PciAddress(0, 1, 0)));
    }

    [Fact]
    public async Task Virtio_devices_are_PCI_functions_with_their_own_numbers()
    {
        await using AssembledMachine machine = Build(
        [
            new("disks:d:format", "memory"), new("disks:d:options:size", "1M"), new("disks:d:device", "virtio-block"),
            new("networks:n:backend", "hub"), new("devices:r:type", "virtio-rng"),
        ]);

        IEnumerable<uint> ids = machine.VirtualMachine.Pci.Slots.Select(slot => ((IPciConfigurationSpace)machine.VirtualMachine.Pci).Read(slot.Address, 0, AccessWidth.DoubleWord));
        Assert.Equal([0x1041_1AF4u, 0x1042_1AF4u, 0x1044_1AF4u], ids.Where(id => (ushort)id == 0x1AF4).Order());
    }

    [Fact]
    public async Task Options_of_a_disk_that_its_format_does_not_know_reach_its_device()
    {
        await using AssembledMachine machine = Build(
        [
            new("disks:d:format", "memory"), new("disks:d:options:size", "1M"), new("disks:d:device", "virtio-block"), new("disks:d:options:Queues", "7"),
        ]);

        // One vector a queue, one for the configuration: message control has the number less one.
        PciSlot slot = Assert.Single(machine.VirtualMachine.Pci.Slots, slot => Register(machine, slot, 0) == 0x1042_1AF4);
        uint[] capabilities = [.. Enumerable.Range(0x10, 0x30).Select(n => Register(machine, slot, (ushort)(4 * n)))];
        Assert.Contains(capabilities, value => (byte)value == 0x11 && (value >> 16 & 0x7FF) == 7);
    }

    [Fact]
    public void An_option_that_neither_format_nor_device_of_a_disk_knows_names_both()
    {
        MachineException refused = Assert.Throws<MachineException>(() => Build(
            [new("disks:d:format", "memory"), new("disks:d:options:size", "1M"), new("disks:d:device", "virtio-block"), new("disks:d:options:seriel", "ABC")]));

        Assert.Contains("option 'seriel' is not known; did you mean 'serial'?", refused.Message, StringComparison.Ordinal);
        Assert.Contains("of the format 'memory': ", refused.Message, StringComparison.Ordinal);
        Assert.Contains("of the device 'virtio-block': queues, serial)", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("networks:n:backend", "user", "there is no network backend 'user' (installed: hub)")]
    [InlineData("devices:x:type", "uart-16551", "command line: devices:x: there is no device model 'uart-16551'; did you mean 'uart-16550'?")]
    [InlineData("scheduler", "round-robbin", "did you mean 'round-robin'?")]
    [InlineData("devices:com1:options:prot", "1", "option 'prot'")]
    [InlineData("devices:com1:options:port", "65536", "options:port: '65536' is not a number up to 0xffff")]
    [InlineData("devices:com1:role", "printer", "'printer' is none of")]
    [InlineData("serial", "printer", "'printer' is not a place for a serial line")]
    [InlineData("disks:d:path", "/nonexistent.img", "/nonexistent.img")]
    public void A_mistake_is_told_with_its_place(string key, string value, string message)
    {
        MachineException error = Assert.Throws<MachineException>(() => Build([new(key, value)]));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_devices_at_one_port_are_told_with_both_names()
    {
        MachineException error = Assert.Throws<MachineException>(() => Build([new("devices:com9:type", "uart-16550"), new("devices:com9:options:port", "0x3fa")]));
        Assert.Contains("com1", error.Message, StringComparison.Ordinal);
        Assert.Contains("com9", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_functions_at_one_PCI_address_are_told_with_both_names()
    {
        MachineException error = Assert.Throws<MachineException>(() => Build([new("devices:pci2:type", "pci-host-bridge"), new("devices:pci2:pci", "00:00.0")]));
        Assert.Contains("00:00.0 is taken by 'pci'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void More_memory_than_the_host_has_is_refused()
    {
        Assert.Contains("more than this host can give", Assert.Throws<MachineException>(() => Build([new("memory", "900T")])).Message, StringComparison.Ordinal);
    }

    private static uint Register(AssembledMachine machine, PciSlot slot, ushort offset) =>
        ((IPciConfigurationSpace)machine.VirtualMachine.Pci).Read(slot.Address, offset, AccessWidth.DoubleWord);

    private AssembledMachine Build(params KeyValuePair<string, string?>[] values)
    {
        Dictionary<string, string?> all = new() { ["kernel"] = _kernel, ["memory"] = "64M", ["serial"] = "none" };
        foreach ((string key, string? value) in values)
        {
            all[key] = value;
        }

        MachineDescription description = MachineReader.Read(MachineConfiguration.Load(null, all, new Dictionary<string, string>()));
        return new MachineBuilder(Plugins, new SoftwareEngine(), new SilentLog()).Build(description);
    }
}
