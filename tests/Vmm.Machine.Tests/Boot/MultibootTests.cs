using Vmm.Machine.Boot;
using Vmm.Vmx;

namespace Vmm.Machine.Tests.Boot;

public sealed class MultibootTests
{
    private readonly ArrayMemory _memory = Booting.NewMemory();

    [Fact]
    public void An_ELF32_kernel_starts_with_the_magic_numbers_of_the_specification()
    {
        byte[] content = [.. KernelImages.MultibootHeader(3), .. Enumerable.Repeat((byte)0xCC, 64)];
        byte[] kernel = KernelImages.Elf(false, 0x10_0000, content, 0x10_0010);
        ProcessorState state = BootLoader.Load(Booting.Request(kernel, "root=none"), _memory);

        Assert.Equal(0x10_0010ul, state.Rip);
        Assert.Equal(0x2BAD_B002ul, state.Registers.Rax);
        Assert.Equal(0x31ul, state.Cr0);
        Assert.Equal(0ul, state.Rflags & 0x2_0200);
        ulong info = state.Registers.Rbx;
        Assert.Equal(0x245u, _memory.Double(info));
        Assert.Equal(640u, _memory.Double(info + 4));
        Assert.Equal(63u * 1024, _memory.Double(info + 8));
        Assert.Equal("kernel root=none", _memory.Text(_memory.Double(info + 16)));
        Assert.Equal("vmm", _memory.Text(_memory.Double(info + 64)));
    }

    [Fact]
    public void The_memory_map_has_entries_whose_size_does_not_count_itself()
    {
        byte[] kernel = KernelImages.Elf(false, 0x10_0000, KernelImages.MultibootHeader(0), 0x10_0000);
        ulong info = BootLoader.Load(Booting.Request(kernel), _memory).Registers.Rbx;

        Assert.Equal(72u, _memory.Double(info + 44));
        ulong map = _memory.Double(info + 48);
        Assert.Equal(20u, _memory.Double(map));
        Assert.Equal(0xA_0000ul, _memory.Quad(map + 12));
        Assert.Equal(1u, _memory.Double(map + 20));
        Assert.Equal(2u, _memory.Double(map + 24 + 20));
        Assert.Equal(0x10_0000ul, _memory.Quad(map + 48 + 4));
    }

    [Fact]
    public void A_kernel_that_goes_back_to_real_mode_finds_services_and_the_size_of_base_memory()
    {
        byte[] kernel = KernelImages.Elf(false, 0x10_0000, KernelImages.MultibootHeader(0), 0x10_0000);
        BootLoader.Load(Booting.Request(kernel), _memory);

        Assert.Equal(640u, _memory.Double(0x413) & 0xFFFF);
        Assert.Equal(0xF000_0010u, _memory.Double(0x15 * 4));
        Assert.Equal(0xF000_0000u, _memory.Double(0x10 * 4));
    }

    [Fact]
    public void Modules_stand_on_pages_above_the_kernel_with_their_names()
    {
        byte[] kernel = KernelImages.Elf(false, 0x10_0000, KernelImages.MultibootHeader(1), 0x10_0000);
        ulong info = BootLoader.Load(Booting.Request(kernel, "", [1, 2, 3], [4, 5]), _memory).Registers.Rbx;

        Assert.Equal(8u, _memory.Double(info) & 8);
        Assert.Equal(2u, _memory.Double(info + 20));
        ulong list = _memory.Double(info + 24);
        Assert.Equal(0x10_1000u, _memory.Double(list));
        Assert.Equal(0x10_1003u, _memory.Double(list + 4));
        Assert.Equal("module0", _memory.Text(_memory.Double(list + 8)));
        Assert.Equal(0x10_2000u, _memory.Double(list + 16));
        Assert.Equal([4, 5], _memory.Bytes(0x10_2000, 2));
        Assert.Equal("module1", _memory.Text(_memory.Double(list + 24)));
    }

    [Fact]
    public void A_flat_image_is_placed_by_the_addresses_in_its_header()
    {
        const uint load = 0x20_0000;
        byte[] header = KernelImages.MultibootHeader(1u << 16, load + 16, load, load + 64, load + 128, load + 48);
        byte[] kernel = [.. new byte[100], .. Enumerable.Repeat((byte)7, 16), .. header, .. Enumerable.Repeat((byte)9, 64 - 16 - header.Length)];
        _memory.TryWrite(load + 64, [1]);
        ProcessorState state = BootLoader.Load(Booting.Request(kernel), _memory);

        Assert.Equal(load + 48ul, state.Rip);
        Assert.Equal(7, _memory.Byte(load));
        Assert.Equal(9, _memory.Byte(load + 63));
        Assert.Equal(0, _memory.Byte(load + 64));
    }

    [Fact]
    public void A_flat_image_that_is_truncated_is_refused()
    {
        byte[] kernel = KernelImages.MultibootHeader(1u << 16, 0x20_0000, 0x20_0000, 0x20_1000, 0x20_1000, 0x20_0020);
        MachineException error = Assert.Throws<MachineException>(() => BootLoader.Load(Booting.Request(kernel), _memory));
        Assert.StartsWith("kernel: truncated", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_that_requires_a_video_mode_is_refused()
    {
        byte[] kernel = KernelImages.Elf(false, 0x10_0000, KernelImages.MultibootHeader(4), 0x10_0000);
        Assert.Contains("video mode", Assert.Throws<MachineException>(() => BootLoader.Load(Booting.Request(kernel), _memory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_with_a_wrong_checksum_is_no_header()
    {
        byte[] header = KernelImages.MultibootHeader(0);
        header[8]++;
        byte[] kernel = KernelImages.Elf(false, 0x10_0000, header, 0x10_0000);
        Assert.Contains("32-bit ELF file without a Multiboot header",
            Assert.Throws<MachineException>(() => BootLoader.Load(Booting.Request(kernel), _memory)).Message, StringComparison.Ordinal);
    }
}
