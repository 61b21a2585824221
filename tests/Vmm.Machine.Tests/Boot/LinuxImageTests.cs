using Vmm.Machine.Boards;
using Vmm.Machine.Boot;
using Vmm.Vmx;

namespace Vmm.Machine.Tests.Boot;

public sealed class LinuxImageTests
{
    private const ulong ZeroPage = 0x2000;
    private readonly ArrayMemory _memory = Booting.NewMemory();

    [Fact]
    public void A_64_bit_kernel_starts_in_long_mode_at_offset_0x200_of_its_preferred_address()
    {
        ProcessorState state = BootLoader.Load(Booting.Request(KernelImages.LinuxImage()), _memory);

        Assert.Equal(0x100_0200ul, state.Rip);
        Assert.Equal(ZeroPage, state.Registers.Rsi);
        Assert.Equal(0x8000_0031ul, state.Cr0);
        Assert.Equal(0x20ul, state.Cr4);
        Assert.Equal(0x500ul, state.Msrs[0xC000_0080]);
        Assert.Equal(0xA09Bu, state.Segments[(int)SegmentRegister.Cs].AccessRights);
        Assert.Equal(0x10, state.Segments[(int)SegmentRegister.Cs].Selector);
        Assert.Equal(0x18, state.Segments[(int)SegmentRegister.Ss].Selector);
        Assert.Equal(2ul, state.Rflags);
        Assert.Equal(0x90, _memory.Byte(0x100_0000));
    }

    [Fact]
    public void Long_mode_maps_the_first_4_GiB_one_to_one()
    {
        ProcessorState state = BootLoader.Load(Booting.Request(KernelImages.LinuxImage()), _memory);

        foreach (ulong linear in (ulong[])[0, 0x100_0000, 0x4020_0000, 0xFEE0_0000, 0xFFE0_0000])
        {
            ulong pointers = _memory.Quad(state.Cr3) & ~0xFFFul;
            ulong directory = _memory.Quad(pointers + (linear >> 30) * 8) & ~0xFFFul;
            ulong entry = _memory.Quad(directory + ((linear >> 21) & 511) * 8);
            Assert.Equal(linear | 0x83, entry);
        }
    }

    [Fact]
    public void A_kernel_without_64_bit_entry_starts_in_flat_32_bit_mode()
    {
        ProcessorState state = BootLoader.Load(Booting.Request(KernelImages.LinuxImage(loadFlags64: 0)), _memory);

        Assert.Equal(0x100_0000ul, state.Rip);
        Assert.Equal(0x31ul, state.Cr0);
        Assert.Equal(0ul, state.Cr4);
        Assert.Equal(0xC09Bu, state.Segments[(int)SegmentRegister.Cs].AccessRights);
        Assert.Equal(0xFFFF_FFFFu, state.Segments[(int)SegmentRegister.Ds].Limit);
        Assert.Equal(0x00CF_9B00_0000_FFFFul, _memory.Quad(state.Gdtr.Base + 0x10));
        Assert.Equal(ZeroPage, state.Registers.Rsi);
    }

    [Fact]
    public void The_real_mode_entry_jumps_into_the_setup_code()
    {
        BootRequest request = Booting.Request(KernelImages.LinuxImage(), "quiet") with { Entry = BootEntry.Linux16 };
        ProcessorState state = BootLoader.Load(request, _memory);

        SegmentState code = state.Segments[(int)SegmentRegister.Cs];
        ulong setup = state.Segments[(int)SegmentRegister.Ds].Base;
        Assert.Equal(setup + 0x200, code.Base + state.Rip);
        Assert.Equal(0ul, state.Cr0 & 1);
        Assert.Equal(0xFF, _memory.Byte(setup + 0x210));
        Assert.Equal(0x81, _memory.Byte(setup + 0x211));
        Assert.Equal("quiet", _memory.Text(_memory.Double(setup + 0x228)));
        Assert.Equal(0x90, _memory.Byte(0x10_0000));
        Assert.Equal(0xF000_0010u, _memory.Double(0x15 * 4));
    }

    [Fact]
    public void Boot_parameters_carry_header_command_line_memory_map_and_root_pointer()
    {
        BootLoader.Load(Booting.Request(KernelImages.LinuxImage(), "console=ttyS0 panic=1"), _memory);

        Assert.Equal("HdrS"u8.ToArray(), _memory.Bytes(ZeroPage + 0x202, 4));
        Assert.Equal(0xFF, _memory.Byte(ZeroPage + 0x210));
        Assert.Equal(0xE_0000ul, _memory.Quad(ZeroPage + 0x70));
        Assert.Equal("console=ttyS0 panic=1", _memory.Text(_memory.Double(ZeroPage + 0x228)));
        Assert.Equal(3, _memory.Byte(ZeroPage + 0x1E8));
        Assert.Equal(0ul, _memory.Quad(ZeroPage + 0x2D0));
        Assert.Equal(0xA_0000ul, _memory.Quad(ZeroPage + 0x2D8));
        Assert.Equal(2u, _memory.Double(ZeroPage + 0x2D0 + 20 + 16));
        Assert.Equal(0x10_0000ul, _memory.Quad(ZeroPage + 0x2D0 + 40));
        Assert.Equal((ulong)Booting.MemoryBytes - 0x10_0000, _memory.Quad(ZeroPage + 0x2D0 + 48));
    }

    [Fact]
    public void The_ram_disk_stands_page_aligned_at_the_top_of_RAM()
    {
        byte[] disk = [.. Enumerable.Range(0, 5000).Select(i => (byte)i)];
        BootLoader.Load(Booting.Request(KernelImages.LinuxImage(), "", disk), _memory);

        uint address = _memory.Double(ZeroPage + 0x218);
        Assert.Equal(5000u, _memory.Double(ZeroPage + 0x21C));
        Assert.Equal((uint)Booting.MemoryBytes - 8192, address);
        Assert.Equal(disk, _memory.Bytes(address, disk.Length));
    }

    [Fact]
    public void The_ram_disk_stays_below_the_address_that_the_kernel_allows()
    {
        BootLoader.Load(Booting.Request(KernelImages.LinuxImage(highestInitrd: 0x2FF_FFFF), "", new byte[4096]), _memory);

        Assert.Equal(0x2FF_F000u, _memory.Double(ZeroPage + 0x218));
    }

    [Fact]
    public void A_kernel_that_does_not_fit_at_its_preferred_address_goes_to_1_MiB()
    {
        ProcessorState state = BootLoader.Load(Booting.Request(KernelImages.LinuxImage(preferred: 0x1000_0000)), _memory);

        Assert.Equal(0x10_0200ul, state.Rip);
    }

    [Fact]
    public void A_kernel_that_needs_more_memory_than_there_is_is_refused()
    {
        byte[] kernel = KernelImages.LinuxImage(initialBytes: 0x800_0000);
        MachineException error = Assert.Throws<MachineException>(() => BootLoader.Load(Booting.Request(kernel), _memory));
        Assert.StartsWith("kernel: too big", error.Message, StringComparison.Ordinal);
        Assert.Contains("--memory", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x210)]
    [InlineData(1500)]
    public void A_truncated_kernel_is_refused(int length)
    {
        byte[] kernel = KernelImages.LinuxImage()[..length];
        MachineException error = Assert.Throws<MachineException>(() => BootLoader.Load(Booting.Request(kernel), _memory));
        Assert.StartsWith("kernel: truncated", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_ram_disk_that_does_not_fit_is_refused()
    {
        BootRequest request = Booting.Request(KernelImages.LinuxImage(), "", new byte[50 << 20]);
        MachineException error = Assert.Throws<MachineException>(() => BootLoader.Load(request, _memory));
        Assert.StartsWith("module0: the initial RAM disk has 52,428,800 bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_command_line_that_is_too_long_is_refused()
    {
        BootRequest request = Booting.Request(KernelImages.LinuxImage(), new string('x', 2048));
        MachineException error = Assert.Throws<MachineException>(() => BootLoader.Load(request, _memory));
        Assert.Contains("2,047", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_of_an_old_protocol_is_refused()
    {
        byte[] kernel = KernelImages.LinuxImage(version: 0x202);
        Assert.Contains("2.02", Assert.Throws<MachineException>(() => BootLoader.Load(Booting.Request(kernel), _memory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_above_the_device_hole_continues_at_4_GiB()
    {
        MemoryLayout layout = new(6ul << 30);

        Assert.Equal(0xC000_0000ul, layout.LowMemoryBytes);
        Assert.Equal(3ul << 30, layout.HighMemoryBytes);
        Assert.Equal(new MemoryMapEntry(1ul << 32, 3ul << 30, MemoryMapType.Usable), layout.Map[^1]);
    }
}
