using System.Buffers.Binary;
using Vmm.EndToEnd.Tests.Guests;
using Vmm.EndToEnd.Tests.Harness;
using Vmm.EndToEnd.Tests.Linux;

namespace Vmm.EndToEnd.Tests.BadInput;

/// <summary>Kernels and initial RAM disks that cannot be booted.</summary>
public sealed class BadKernelTests : RefusalTest
{
    [Fact]
    public async Task A_missing_kernel_is_refused() =>
        await AssertRefusedAsync(["run", "--kernel", "/nonexistent/vmlinuz"], "/nonexistent/vmlinuz", "kernel", "cannot be read");

    [Fact]
    public async Task No_kernel_at_all_is_refused() => await AssertRefusedAsync(["run"], "nothing to boot", "--kernel");

    [Fact]
    public async Task An_empty_file_is_no_kernel() =>
        await AssertRefusedAsync(["run", "--kernel", Folder.Write("kernel", [])], "not a kernel", "the file is empty");

    [Fact]
    public async Task A_text_is_no_kernel()
    {
        string text = Folder.Write("kernel", [.. Enumerable.Repeat((byte)'x', 5000)]);
        await AssertRefusedAsync(["run", "--kernel", text], "not a kernel", "What boots: a Linux bzImage");
    }

    [Fact]
    public async Task A_kernel_whose_addresses_lie_outside_of_memory_is_too_big()
    {
        byte[] image = GuestImage.Create(a => a.Stop());
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(24), 0x2000_0000); // end of its BSS
        await AssertRefusedAsync(["run", "--memory", "16M", "--kernel", Folder.Write("kernel", image)], "too big", "--memory");
    }

    [Fact]
    public async Task A_kernel_that_promises_more_than_it_has_is_truncated()
    {
        byte[] image = GuestImage.Create(a => a.Stop());
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(20), 0x10_1000); // end of what is loaded
        await AssertRefusedAsync(["run", "--memory", "16M", "--kernel", Folder.Write("kernel", image)], "truncated");
    }

    [LinuxFact]
    public async Task A_truncated_Linux_kernel_is_refused()
    {
        byte[] kernel = await File.ReadAllBytesAsync(LinuxImage.Image.Kernel);
        await AssertRefusedAsync(["run", "--kernel", Folder.Write("half", kernel.AsSpan(0, kernel.Length / 2))], "truncated");
        await AssertRefusedAsync(["run", "--kernel", Folder.Write("start", kernel.AsSpan(0, 520))], "truncated");
    }

    [LinuxFact]
    public async Task A_Linux_kernel_in_too_little_memory_is_too_big() =>
        await AssertRefusedAsync(["run", "--kernel", LinuxImage.Image.Kernel, "--memory", "16M"], "too big", "--memory");

    [LinuxFact]
    public async Task An_initial_RAM_disk_that_does_not_fit_is_refused()
    {
        string disk = Folder.Disk("initrd", 128 << 20);
        await AssertRefusedAsync(
            ["run", "--kernel", LinuxImage.Image.Kernel, "--initrd", disk, "--memory", "128M"], disk, "initial RAM disk", "--memory");
    }

    [LinuxFact]
    public async Task A_missing_initial_RAM_disk_is_refused() =>
        await AssertRefusedAsync(["run", "--kernel", LinuxImage.Image.Kernel, "--initrd", "/nonexistent/initrd"], "/nonexistent/initrd");

    [LinuxFact]
    public async Task An_initial_RAM_disk_in_the_kernel_s_place_is_told_so() =>
        await AssertRefusedAsync(["run", "--kernel", LinuxImage.Image.Initrd], "cpio archive", "--initrd");
}
