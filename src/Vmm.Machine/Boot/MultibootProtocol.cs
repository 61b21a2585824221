using Vmm.Vmx;

namespace Vmm.Machine.Boot;

/// <summary>Multiboot 1 (Multiboot Specification 0.6.96): ELF images, and any file whose header gives its addresses.</summary>
public sealed class MultibootProtocol : IBootProtocol
{
    private const uint LoaderMagic = 0x2BAD_B002;

    public string Name => "Multiboot 1";

    public bool Accepts(BootFile kernel, BootEntry entry) =>
        entry is BootEntry.Auto or BootEntry.Multiboot
        && !LinuxSetupHeader.IsPresent(kernel.Content.Span)
        && MultibootHeader.TryFind(kernel.Content.Span, out _);

    public ProcessorState Load(BootRequest request, IGuestMemory memory)
    {
        MultibootHeader.TryFind(request.Kernel.Content.Span, out MultibootHeader header);
        if ((header.Flags & 0xFFFF & ~MultibootHeader.KnownRequirements) is var unknown and not 0)
        {
            string what = unknown == 4 ? "a video mode, and this machine has no display" : $"features that are not known (flags 0x{unknown:x})";
            throw new MachineException($"{request.Kernel.Name}: the Multiboot kernel requires {what}.");
        }

        BootMemory guest = new(memory);
        (ulong entry, ulong end) = (header.Flags & MultibootHeader.HasAddresses) != 0
            ? LoadByHeader(request, header, guest)
            : LoadElf(request, guest);
        MultibootInformation.Write(WithName(request), guest, end);
        RealModeFirmware.Write(guest, request.Memory); // kernels such as Xen go back to real mode to ask for more

        // Machine state: specification 3.2. ESP is undefined there; a stack in free memory forgives kernels that use one.
        ProcessorState state = StartState.Protected(guest, entry);
        state.Registers.Rax = LoaderMagic;
        state.Registers.Rbx = BootArea.Information;
        state.Registers.Rsp = BootArea.StackTop;
        return state;
    }

    /// <summary>
    /// Loaders give the kernel's own name as the first word of the command line. The specification does not ask for it,
    /// but kernels such as Xen skip that word.
    /// </summary>
    private static BootRequest WithName(BootRequest request) =>
        request with { CommandLine = $"{Path.GetFileName(request.Kernel.Name).Replace(' ', '_')} {request.CommandLine}".TrimEnd() };

    private static (ulong Entry, ulong End) LoadElf(BootRequest request, BootMemory guest)
    {
        ReadOnlySpan<byte> image = request.Kernel.Content.Span;
        if (!ElfImage.IsPresent(image, is64Bit: false) && !ElfImage.IsPresent(image, is64Bit: true))
        {
            throw new MachineException($"{request.Kernel.Name}: the Multiboot header gives no addresses, and the file is not an x86 ELF executable.");
        }

        ElfImage elf = ElfImage.Read(request.Kernel);
        elf.Load(request, guest);
        return (elf.PhysicalEntry(), elf.End);
    }

    private static (ulong Entry, ulong End) LoadByHeader(BootRequest request, MultibootHeader header, BootMemory guest)
    {
        ReadOnlySpan<byte> image = request.Kernel.Content.Span;
        long fileStart = header.FileOffset - ((long)header.HeaderAddress - header.LoadAddress);
        long length = header.LoadEnd == 0 ? image.Length - fileStart : (long)header.LoadEnd - header.LoadAddress;
        if (header.LoadAddress > header.HeaderAddress || fileStart < 0 || length <= 0)
        {
            throw new MachineException($"{request.Kernel.Name}: damaged: the addresses in the Multiboot header contradict each other.");
        }

        if (fileStart + length > image.Length)
        {
            throw new MachineException($"{request.Kernel.Name}: truncated: the Multiboot header promises {fileStart + length:N0} bytes, the file has {image.Length:N0}.");
        }

        ulong loadEnd = header.LoadAddress + (ulong)length;
        ulong end = Math.Max(loadEnd, header.BssEnd);
        LinuxCommon.CheckFits(request, header.LoadAddress, end - header.LoadAddress);
        guest.Write(request.Kernel.Name, header.LoadAddress, image.Slice((int)fileStart, (int)length));
        guest.Clear(request.Kernel.Name, loadEnd, end - loadEnd);
        return (header.Entry, end);
    }
}
