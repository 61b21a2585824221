using Iced.Intel;
using Vmm.EndToEnd.Tests.Guests;
using Vmm.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.EndToEnd.Tests.Firmware;

/// <summary>Stock SeaBIOS comes up on the board and boots a disk.</summary>
public sealed class FirmwareBootTests : GuestTest
{
    [FirmwareFact]
    public async Task The_boot_sector_of_the_first_disk_prints_by_the_BIOS_and_turns_the_machine_off()
    {
        VmmResult result = await RunAsync(CachedFile.SeaBios, a =>
        {
            a.Print("Printed by INT 10h.\r\n");
            a.WaitTicks(2);
            a.SendByBios("Sent by INT 14h.\r\n");
            a.PowerOff();
        });

        AssertStatus(0, result);
        Assert.Contains("SeaBIOS (version", result.Output, StringComparison.Ordinal);
        Assert.Contains("Booting from Hard Disk", result.Output, StringComparison.Ordinal);
        Assert.Contains("Printed by INT 10h.\r\n", result.Output, StringComparison.Ordinal);
        Assert.Contains("Sent by INT 14h.\r\n", result.Output, StringComparison.Ordinal);
    }

    [FirmwareFact]
    public async Task An_image_of_128_KiB_comes_up_as_well()
    {
        // It is built without a driver for NVMe, so that it finds nothing to boot.
        await using VmmProcess process = VmmProcess.Start("run", "--firmware", CachedFile.SmallSeaBios.Path, "--memory", "64M");
        await process.ExpectAsync("SeaBIOS (version", Deadlines.Command);
        await process.ExpectAsync("No bootable device", Deadlines.Command);
    }

    [FirmwareFact]
    public async Task The_log_of_the_firmware_goes_where_the_debug_console_goes()
    {
        string log = Folder.At("log");
        AssertStatus(0, await RunAsync(CachedFile.SeaBios, a => a.PowerOff(), "--device", $"debug-console,channel=file:{log}", "--cpus", "2", "--memory", "5G"));

        string text = await File.ReadAllTextAsync(log);
        Assert.Contains("Found QEMU fw_cfg", text, StringComparison.Ordinal);
        Assert.Contains("qemu/e820: addr 0x0000000100000000 len 0x0000000080000000 [RAM]", text, StringComparison.Ordinal);
        Assert.Contains("Found 2 cpu(s)", text, StringComparison.Ordinal);
        Assert.Contains("(via xsdt)", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Unable to unlock ram", text, StringComparison.Ordinal);
    }

    [FirmwareFact]
    public async Task Sectors_are_read_by_INT_13h()
    {
        byte[] disk = BootSector.CreateDisk(a =>
        {
            a.mov(ax, 0x0201); // read one sector
            a.mov(cx, 0x0002); // the second
            a.xor(dh, dh);
            a.mov(bx, 0x8000);
            a.@int(0x13);
            a.WaitTicks(2);
            a.mov(si, 0x8000);
            a.mov(cx, 6);
            Label next = a.CreateLabel();
            a.Label(ref next);
            a.lodsb();
            a.mov(ah, 1);
            a.xor(dx, dx);
            a.@int(0x14);
            a.loop(next);
            a.PowerOff();
        });
        "second"u8.CopyTo(disk.AsSpan(512));
        VmmResult result = await RunAsync(CachedFile.SeaBios, disk);

        AssertStatus(0, result);
        Assert.EndsWith("second", result.Output, StringComparison.Ordinal);
    }

    [FirmwareFact]
    public async Task Writes_to_the_ROM_and_to_write_protected_shadow_RAM_change_nothing()
    {
        VmmResult result = await RunAsync(CachedFile.SeaBios, a =>
        {
            // F000:FFF0 is shadow RAM, which the BIOS has protected; the ROM itself is reached in unreal mode.
            Label changed = a.CreateLabel();
            a.mov(ax, 0xF000);
            a.mov(es, ax);
            a.mov(di, 0xFFF0);
            a.mov(eax, __dword_ptr.es[di]);
            a.not(__dword_ptr.es[di]);
            a.cmp(eax, __dword_ptr.es[di]);
            a.jne(changed);
            a.LoadFlatEs();
            a.mov(edi, unchecked((int)0xFFFF_FFF0));
            a.mov(eax, __dword_ptr.es[edi]);
            a.not(__dword_ptr.es[edi]);
            a.cmp(eax, __dword_ptr.es[edi]);
            a.jne(changed);
            a.SendByBios("unchanged");
            a.PowerOff();
            a.Label(ref changed);
            a.SendByBios("changed");
            a.PowerOff();
        });

        AssertStatus(0, result);
        Assert.EndsWith("unchanged", result.Output, StringComparison.Ordinal);
    }

    [FirmwareFact]
    public async Task A_reset_by_the_guest_starts_the_firmware_anew()
    {
        // What the BIOS leaves alone in CMOS memory tells the second start from the first.
        VmmResult result = await RunAsync(CachedFile.SeaBios, a =>
        {
            Label second = a.CreateLabel();
            a.mov(al, 0x70);
            a.@out(0x70, al);
            a.@in(al, 0x71);
            a.cmp(al, 0x5A);
            a.je(second);
            a.mov(al, 0x5A);
            a.@out(0x71, al);
            a.WritePort(0xCF9, 0x02);
            a.WritePort(0xCF9, 0x06);
            a.Stop();
            a.Label(ref second);
            a.PowerOff();
        });

        AssertStatus(0, result);
        Assert.Equal(3, result.Output.Split("SeaBIOS (version").Length);
    }

    [FirmwareFact]
    public async Task A_guest_of_the_BIOS_is_saved_and_goes_on()
    {
        string name = $"test-{Guid.NewGuid():N}"[..20], saved = Folder.At("saved");
        byte[] sector = BootSector.CreateDisk(a =>
        {
            a.WaitTicks(2);
            a.SendByBios("ready\r\n");
            Label wait = a.CreateLabel();
            a.Label(ref wait);
            a.mov(ah, 1); // a key: the BIOS's console makes keys of what is typed at the serial line
            a.@int(0x16);
            a.jz(wait);
            a.SendByBios("went on");
            a.PowerOff();
        });
        await using VmmProcess first = VmmProcess.Start(
            "run", "--firmware", CachedFile.SeaBios.Path, "--disk", $"path={Folder.Write("disk.raw", sector)}", "--memory", "64M", "--name", name);
        await first.ExpectAsync("ready\r\n", Deadlines.Command);
        AssertStatus(0, await VmmProcess.RunAsync("save", name, saved, "--stop"));
        AssertStatus(0, await first.WaitForEndAsync(Deadlines.Command));

        await using VmmProcess second = VmmProcess.Start("run", "--restore", saved);
        await second.TypeAsync("x");
        await second.ExpectAsync("went on", Deadlines.Command);
        AssertStatus(0, await second.WaitForEndAsync(Deadlines.Command));
    }

    private Task<VmmResult> RunAsync(CachedFile firmware, Action<Assembler> sector, params string[] more) => RunAsync(firmware, BootSector.CreateDisk(sector), more);

    private Task<VmmResult> RunAsync(CachedFile firmware, byte[] disk, params string[] more)
    {
        string[] memory = more.Contains("--memory") ? [] : ["--memory", "64M"];
        return VmmProcess.RunAsync(["run", "--firmware", firmware.Path, "--disk", $"path={Folder.Write("disk.raw", disk)}", .. memory, .. more]);
    }
}
