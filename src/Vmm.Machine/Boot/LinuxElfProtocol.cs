using Vmm.Vmx;

namespace Vmm.Machine.Boot;

/// <summary>An uncompressed 64-bit Linux kernel, <c>vmlinux</c>, by the 64-bit boot protocol (Documentation/arch/x86/boot.rst).</summary>
public sealed class LinuxElfProtocol : IBootProtocol
{
    private const uint LongestCommandLine = 2047;

    public string Name => "Linux vmlinux";

    public bool Accepts(BootFile kernel, BootEntry entry) =>
        entry is BootEntry.Auto or BootEntry.Linux64
        && ElfImage.IsPresent(kernel.Content.Span, is64Bit: true)
        && ElfImage.HasFixedAddresses(kernel.Content.Span);

    public ProcessorState Load(BootRequest request, IGuestMemory memory)
    {
        ElfImage elf = ElfImage.Read(request.Kernel);
        BootMemory guest = new(memory);
        elf.Load(request, guest);
        LinuxCommon.WriteInformation(request, guest, new LinuxBootParameters(), elf.End, uint.MaxValue, LongestCommandLine);
        ProcessorState state = StartState.Long(guest, elf.PhysicalEntry());
        state.Registers.Rsi = BootArea.Information;
        return state;
    }
}
