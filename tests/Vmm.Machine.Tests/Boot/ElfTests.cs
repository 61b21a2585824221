using Vmm.Machine.Boot;
using Vmm.Vmx;

namespace Vmm.Machine.Tests.Boot;

public sealed class ElfTests
{
    private const ulong Information = 0x2000;
    private readonly ArrayMemory _memory = Booting.NewMemory();
    private readonly byte[] _code = [.. Enumerable.Repeat((byte)0xCC, 256)];

    [Fact]
    public void A_vmlinux_without_PVH_note_starts_in_long_mode_at_its_physical_entry()
    {
        byte[] kernel = KernelImages.Elf(true, 0x100_0000, _code, 0x100_0010);
        _memory.TryWrite(0x100_0100, [1, 2, 3]);
        ProcessorState state = BootLoader.Load(Booting.Request(kernel, "quiet", new byte[100]), _memory);

        Assert.Equal(0x100_0010ul, state.Rip);
        Assert.Equal(0x500ul, state.Msrs[0xC000_0080]);
        Assert.Equal(_code, _memory.Bytes(0x100_0000, 256));
        Assert.Equal(new byte[256], _memory.Bytes(0x100_0100, 256));
        Assert.Equal(0xAA55u, _memory.Double(state.Registers.Rsi + 0x1FE) & 0xFFFF);
        Assert.Equal("quiet", _memory.Text(_memory.Double(state.Registers.Rsi + 0x228)));
        Assert.Equal(100u, _memory.Double(state.Registers.Rsi + 0x21C));
    }

    [Fact]
    public void A_linear_entry_point_is_translated_through_its_segment()
    {
        byte[] kernel = KernelImages.Elf(true, 0x100_0000, _code, 0xFFFF_FFFF_8100_0020);

        Assert.Equal(0x100_0020ul, BootLoader.Load(Booting.Request(kernel), _memory).Rip);
    }

    [Fact]
    public void A_kernel_with_a_PVH_note_starts_in_32_bit_mode_with_its_start_information()
    {
        byte[] kernel = KernelImages.Elf(true, 0x100_0000, _code, 0x100_0000, KernelImages.PvhNote(0x100_0040));
        ProcessorState state = BootLoader.Load(Booting.Request(kernel, "pvh", [1, 2, 3]), _memory);

        Assert.Equal(0x100_0040ul, state.Rip);
        Assert.Equal(Information, state.Registers.Rbx);
        Assert.Equal(0x31ul, state.Cr0);
        Assert.Equal(0x336E_C578u, _memory.Double(Information));
        Assert.Equal(1u, _memory.Double(Information + 4));
        Assert.Equal(1u, _memory.Double(Information + 12));
        ulong module = _memory.Quad(Information + 16);
        Assert.Equal([1, 2, 3], _memory.Bytes(_memory.Quad(module), 3));
        Assert.Equal(3ul, _memory.Quad(module + 8));
        Assert.Equal("pvh", _memory.Text(_memory.Quad(Information + 24)));
        Assert.Equal(0xE_0000ul, _memory.Quad(Information + 32));
        Assert.Equal(3u, _memory.Double(Information + 48));
        ulong map = _memory.Quad(Information + 40);
        Assert.Equal(0x10_0000ul, _memory.Quad(map + 48));
        Assert.Equal(1u, _memory.Double(map + 64));
    }

    [Fact]
    public void A_kernel_with_a_PVH_note_can_be_entered_the_Linux_way()
    {
        byte[] kernel = KernelImages.Elf(true, 0x100_0000, _code, 0x100_0000, KernelImages.PvhNote(0x100_0040));
        BootRequest request = Booting.Request(kernel) with { Entry = BootEntry.Linux64 };

        Assert.Equal(0x100_0000ul, BootLoader.Load(request, _memory).Rip);
    }

    [Fact]
    public void A_truncated_ELF_kernel_is_refused()
    {
        byte[] kernel = KernelImages.Elf(true, 0x100_0000, _code, 0x100_0000)[..^1];
        MachineException error = Assert.Throws<MachineException>(() => BootLoader.Load(Booting.Request(kernel), _memory));
        Assert.Contains("truncated", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_ELF_kernel_beyond_RAM_is_refused()
    {
        byte[] kernel = KernelImages.Elf(true, 0x1000_0000, _code, 0x1000_0000);
        MachineException error = Assert.Throws<MachineException>(() => BootLoader.Load(Booting.Request(kernel), _memory));
        Assert.StartsWith("kernel: too big", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[0], "empty")]
    [InlineData(new byte[] { 0x1F, 0x8B, 8, 0 }, "gzip")]
    [InlineData(new byte[] { (byte)'#', (byte)'!', (byte)'/', (byte)'b' }, "only 4 bytes")]
    public void A_file_that_is_no_kernel_is_refused_with_a_guess(byte[] content, string guess)
    {
        MachineException error = Assert.Throws<MachineException>(() => BootLoader.Load(Booting.Request(content), _memory));
        Assert.StartsWith("kernel: not a kernel", error.Message, StringComparison.Ordinal);
        Assert.Contains(guess, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_entry_that_the_kernel_does_not_offer_is_refused_with_what_it_offers()
    {
        BootRequest request = Booting.Request(KernelImages.LinuxImage()) with { Entry = BootEntry.Pvh };
        MachineException error = Assert.Throws<MachineException>(() => BootLoader.Load(request, _memory));
        Assert.Equal("kernel: cannot be entered as 'pvh'; it offers Linux bzImage.", error.Message);
    }
}
