using Iced.Intel;
using Vmm.EndToEnd.Tests.Guests;
using Vmm.EndToEnd.Tests.Harness;
using Vmm.EndToEnd.Tests.Linux;
using Vmm.Kernel;
using Vmm.Machine.Snapshots;
using Vmm.Sdk;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.EndToEnd.Tests.Snapshots;

/// <summary>Every shipped device that a board has: saving changes nothing, and what is restored is what was saved and works.</summary>
public sealed class ShippedStateTests : IDisposable
{
    private const int MutationRounds = 30;

    private readonly TemporaryFolder _folder = new();
    private int _disks;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_is_restored_is_saved_again_to_the_bit_and_goes_on()
    {
        await using InProcessMachine first = new(Machine());
        first.Run();
        await first.ExpectAsync("R", Deadlines.Command);
        VirtualMachine vm = first.Machine.VirtualMachine;
        vm.Pause();
        IReadOnlyList<StateSection> saved = vm.SaveState();
        AssertSame(saved, vm.SaveState());
        foreach (string part in (string[])["pic", "pit", "rtc", "i8042", "ioapic", "hpet", "pm", "pci", "post", "port92", "com1", "disk0", "disk1", "net0", "rng"])
        {
            Assert.Contains(saved, section => section.Path == $"device/{part}");
        }

        new MachineSaver(first.Machine).Save(_folder.At("saved"));
        using SavedMachine file = SavedMachine.Open(_folder.At("saved"));
        await using InProcessMachine second = new(file, NewDisks());
        AssertSame(saved, second.Machine.VirtualMachine.SaveState());
        second.Run();
        await second.TypeAsync("x");
        await second.ExpectAsync("x", Deadlines.Command);
        await second.TypeAsync("q");
        await second.WaitForPowerOffAsync();
        vm.Resume();
        await first.TypeAsync("yq");
        await first.ExpectAsync("y", Deadlines.Command);
        await first.WaitForPowerOffAsync();
    }

    [Fact]
    public async Task Mutated_state_of_real_devices_is_refused_or_runs_and_the_host_is_unharmed()
    {
        await using InProcessMachine first = new(Machine());
        first.Run();
        await first.ExpectAsync("R", Deadlines.Command);
        first.Machine.VirtualMachine.Pause();
        IReadOnlyList<StateSection> saved = first.Machine.VirtualMachine.SaveState();
        int seed = Random.Shared.Next();
        Random random = new(seed);
        for (int round = 0; round < MutationRounds; round++)
        {
            StateSection[] mutated = [.. saved];
            int victim = random.Next(saved.Count);
            byte[] content = saved[victim].Content.ToArray();
            for (int i = random.Next(1, 6); i > 0; i--)
            {
                content[random.Next(content.Length)] = (byte)random.Next(256);
            }

            mutated[victim] = saved[victim] with { Content = content };
            await using InProcessMachine second = new(Machine());
            Exception? thrown = Record.Exception(() => second.Machine.VirtualMachine.StartPaused(mutated));
            Assert.True(thrown is null or StateException, $"seed {seed}, round {round}, {saved[victim].Path}: {thrown}");
            if (thrown is null)
            {
                second.Run();

                // The guest may have ended at once by what its processor was made to be.
                thrown = Record.Exception(() => second.Machine.VirtualMachine.WhileQuiet(() => true));
                Assert.True(thrown is null or InvalidOperationException, $"seed {seed}, round {round}, {saved[victim].Path}: {thrown}");
            }
        }
    }

    [Fact]
    public async Task Incremental_files_build_on_one_another()
    {
        await using InProcessMachine first = new(Machine());
        first.Run();
        await first.ExpectAsync("R", Deadlines.Command);
        MachineSaver saver = new(first.Machine);
        saver.Save(_folder.At("one"), incremental: true);
        await first.TypeAsync("a");
        await first.ExpectAsync("a", Deadlines.Command);
        saver.Save(_folder.At("two"), incremental: true);
        Assert.True(new FileInfo(_folder.At("two")).Length < new FileInfo(_folder.At("one")).Length);
        using SavedMachine file = SavedMachine.Open(_folder.At("two"));
        await using InProcessMachine second = new(file, NewDisks());
        second.Run();
        await second.TypeAsync("zq");
        await second.ExpectAsync("z", Deadlines.Command);
        await second.WaitForPowerOffAsync();
        await first.TypeAsync("q");
        await first.WaitForPowerOffAsync();
    }

    [Fact]
    public async Task A_disk_in_memory_is_in_the_way_of_a_save_and_nothing_is_written()
    {
        Dictionary<string, string?> values = Machine();
        values["disks:ram:format"] = "memory";
        values["disks:ram:options:size"] = "1M";
        await using InProcessMachine machine = new(values);
        machine.Run();
        await machine.ExpectAsync("R", Deadlines.Command);
        var refused = Assert.Throws<Vmm.Machine.MachineException>(() => new MachineSaver(machine.Machine).Save(_folder.At("saved")));
        Assert.Contains("disk/ram (memory): it declares that it cannot be saved", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(_folder.At("saved"))!, "saved*"));
        await machine.TypeAsync("q");
        await machine.WaitForPowerOffAsync();
    }

    private static void AssertSame(IReadOnlyList<StateSection> expected, IReadOnlyList<StateSection> actual)
    {
        Assert.Equal(expected.Select(section => section.Path), actual.Select(section => section.Path));
        foreach ((StateSection before, StateSection after) in expected.Zip(actual))
        {
            Assert.True(before.Content.Span.SequenceEqual(after.Content.Span), $"{before.Path}:\n{Convert.ToHexString(before.Content.Span)}\n{Convert.ToHexString(after.Content.Span)}");
        }
    }

    private Dictionary<string, string?> Machine() => new(NewDisks())
    {
        ["kernel"] = _folder.Write("guest.bin", GuestImage.Create(Guest)),
        ["memory"] = "16M",
        ["noReboot"] = "on",
        ["disks:disk1:device"] = "virtio-block",
        ["networks:net0:backend"] = "hub",
        ["devices:rng:type"] = "virtio-rng",
        ["devices:exit:type"] = "isa-debug-exit",
        ["devices:exit:options:port"] = "0xf4",
    };

    private Dictionary<string, string?> NewDisks() => new() { ["disks:disk0:path"] = NewDisk(), ["disks:disk1:path"] = NewDisk() };

    private string NewDisk() => _folder.Disk($"disk{++_disks}.raw", 1 << 20);

    /// <summary>Programs whatever has registers, says so, then echoes what is typed until a q.</summary>
    private static void Guest(Assembler a)
    {
        (ushort Port, byte Value)[] writes =
        [
            (0x20, 0x11), (0x21, 0x20), (0x21, 0x04), (0x21, 0x01), (0x21, 0xFA), (0xA0, 0x11), (0xA1, 0x28), (0xA1, 0x02), (0xA1, 0x01),
            (0x43, 0x34), (0x40, 0x00), (0x40, 0x10), (0x43, 0xB6), (0x42, 0x34), (0x42, 0x12), (0x61, 0x01), (0x43, 0x04),
            (0x70, 0x0A), (0x71, 0x26), (0x70, 0x0B), (0x71, 0x42), (0x70, 0x40), (0x71, 0x99), (0x64, 0x20), (0x80, 0x5A), (0x92, 0x02),
            (0x3F9, 0x00), (0x3FA, 0x07), (0x3FB, 0x83), (0x3F8, 0x01), (0x3FB, 0x03), (0x3FF, 0xA5),
        ];
        foreach ((ushort port, byte value) in writes)
        {
            a.WritePort(port, value);
        }

        (uint Address, uint Value)[] stores =
        [
            (0xFEC0_0000, 0x12), (0xFEC0_0010, 0x0001_0031), (0xFED0_0010, 1), (0xFED0_0108, 0x7FFF_FFFF),
            (0xFEE0_00F0, 0x1FF), (0xFEE0_0320, 0x2_00EC), (0xFEE0_03E0, 0xB), (0xFEE0_0380, 0x10_0000),
        ];
        foreach ((uint address, uint value) in stores)
        {
            a.mov(eax, value);
            a.mov(ebx, address);
            a.mov(__dword_ptr[ebx], eax);
        }

        a.mov(dx, 0xCF8);
        a.mov(eax, 0x8000_0810);
        a.@out(dx, eax);
        a.Send("R");
        Label wait = a.CreateLabel(), end = a.CreateLabel();
        a.Label(ref wait);
        a.mov(dx, 0x3FD);
        a.@in(al, dx);
        a.test(al, 1);
        a.jz(wait);
        a.mov(dx, 0x3F8);
        a.@in(al, dx);
        a.cmp(al, (byte)'q');
        a.je(end);
        a.SendAl();
        a.jmp(wait);
        a.Label(ref end);
        a.PowerOff();
    }
}
