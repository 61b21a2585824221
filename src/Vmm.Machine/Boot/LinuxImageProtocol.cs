using Vmm.Vmx;

namespace Vmm.Machine.Boot;

/// <summary>
/// Linux bzImage (Documentation/arch/x86/boot.rst): entered in long mode when the image can, else in 32-bit protected
/// mode, or in real mode when asked.
/// </summary>
public sealed class LinuxImageProtocol : IBootProtocol
{
    private const ulong Entry64Offset = 0x200;
    private const ulong ClassicAddress = 0x10_0000;

    public string Name => "Linux bzImage";

    public bool Accepts(BootFile kernel, BootEntry entry) =>
        entry is BootEntry.Auto or BootEntry.Linux16 or BootEntry.Linux32 or BootEntry.Linux64
        && LinuxSetupHeader.IsPresent(kernel.Content.Span);

    public ProcessorState Load(BootRequest request, IGuestMemory memory)
    {
        LinuxSetupHeader header = LinuxSetupHeader.Read(request.Kernel);
        if (request.Entry == BootEntry.Linux64 && !header.HasEntry64)
        {
            throw new MachineException($"{request.Kernel.Name}: the kernel has no 64-bit entry point (xloadflags); leave the entry to 'auto'.");
        }

        BootMemory guest = new(memory);
        if (request.Entry == BootEntry.Linux16)
        {
            return LinuxRealMode.Load(request, header, guest);
        }

        ulong address = ChooseAddress(request, header);
        ulong span = Math.Max((ulong)header.KernelBytes, header.InitialBytes);
        LinuxCommon.CheckFits(request, address, span);
        guest.Write(request.Kernel.Name, address, header.Kernel);
        LinuxCommon.WriteInformation(request, guest, new LinuxBootParameters(header), address + span, header.HighestInitrdAddress, header.CommandLineBytes);

        ProcessorState state = request.Entry != BootEntry.Linux32 && header.HasEntry64
            ? StartState.Long(guest, address + Entry64Offset)
            : StartState.Protected(guest, address);
        state.Registers.Rsi = BootArea.Information;
        return state;
    }

    /// <summary>The address that the kernel prefers, so that it need not move itself; where that does not fit, the classic 1 MiB.</summary>
    private static ulong ChooseAddress(BootRequest request, LinuxSetupHeader header)
    {
        ulong preferred = header.PreferredAddress;
        bool fits = preferred >= ClassicAddress && preferred + header.InitialBytes <= request.Memory.LowMemoryBytes;
        return header.Relocatable && fits ? preferred : ClassicAddress;
    }
}
