using System.Buffers.Binary;
using Vmm.Vmx;

namespace Vmm.Machine.Boot;

/// <summary>Entry of a bzImage at its real-mode setup code (Documentation/arch/x86/boot.rst, "Running the Kernel").</summary>
internal static class LinuxRealMode
{
    private const ulong KernelAddress = 0x10_0000;
    private const ushort SetupSegment = (ushort)(BootArea.RealModeKernel >> 4);
    private const ushort EntrySegment = SetupSegment + 0x20;

    /// <summary>End of the heap of the setup code, from the start of its segment; the stack starts there.</summary>
    private const ushort HeapEnd = 0xE000;

    private const int LoaderType = 0x210;
    private const int LoadFlags = 0x211;
    private const byte CanUseHeap = 0x80;
    private const int Ramdisk = 0x218;
    private const int RamdiskSize = 0x21C;
    private const int HeapEndPointer = 0x224;
    private const int CommandLinePointer = 0x228;

    public static ProcessorState Load(BootRequest request, LinuxSetupHeader header, BootMemory guest)
    {
        if (header.SetupBytes > HeapEnd - 0x1000)
        {
            throw new MachineException($"{request.Kernel.Name}: its setup code has {header.SetupBytes:N0} bytes, more than a real-mode segment holds beside its heap.");
        }

        LinuxCommon.CheckFits(request, KernelAddress, Math.Max((ulong)header.KernelBytes, header.InitialBytes));
        ulong kernelEnd = KernelAddress + Math.Max((ulong)header.KernelBytes, header.InitialBytes);
        LinuxCommon.WriteCommandLine(request, guest, header.CommandLineBytes);
        (ulong diskAddress, ulong diskLength) = LinuxCommon.WriteRamdisk(request, guest, kernelEnd, header.HighestInitrdAddress);

        byte[] setup = header.Setup.ToArray();
        setup[LoaderType] = 0xFF;
        setup[LoadFlags] |= CanUseHeap;
        BinaryPrimitives.WriteUInt16LittleEndian(setup.AsSpan(HeapEndPointer), HeapEnd - 0x200);
        BinaryPrimitives.WriteUInt32LittleEndian(setup.AsSpan(CommandLinePointer), (uint)BootArea.CommandLine);
        BinaryPrimitives.WriteUInt32LittleEndian(setup.AsSpan(Ramdisk), (uint)diskAddress);
        BinaryPrimitives.WriteUInt32LittleEndian(setup.AsSpan(RamdiskSize), (uint)diskLength);
        guest.Write(request.Kernel.Name, BootArea.RealModeKernel, setup);
        guest.Write(request.Kernel.Name, KernelAddress, header.Kernel);
        RealModeFirmware.Write(guest, request.Memory);
        return StartState.Real(EntrySegment, SetupSegment, HeapEnd);
    }
}
