using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.BadInput;

/// <summary>Firmware that cannot be run.</summary>
public sealed class BadFirmwareTests : RefusalTest
{
    [Fact]
    public async Task Missing_firmware_is_refused() =>
        await AssertRefusedAsync(["run", "--firmware", "/nonexistent/bios.bin"], "/nonexistent/bios.bin", "firmware", "cannot be read");

    [Fact]
    public async Task An_empty_file_is_no_firmware() =>
        await AssertRefusedAsync(["run", "--firmware", Folder.Write("bios", [])], "bios", "is empty");

    [Fact]
    public async Task A_length_that_no_ROM_has_is_refused() =>
        await AssertRefusedAsync(["run", "--firmware", Folder.Disk("bios", 100_000)], "100,000 bytes", "multiple of 64 KiB");

    [Fact]
    public async Task Firmware_that_reaches_down_to_the_APIC_is_too_large() =>
        await AssertRefusedAsync(["run", "--firmware", Folder.Disk("bios", 32 << 20)], "33,554,432 bytes", "16 MiB");

    [Fact]
    public async Task Firmware_with_a_kernel_is_refused() =>
        await AssertMachineRefusedAsync(["--firmware", Folder.Disk("bios", 64 << 10)], "either --firmware, or --kernel");
}
