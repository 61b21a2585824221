using System.Text;

namespace Vmm.Machine.Boot;

/// <summary>What every way into Linux shares: the command line, the RAM disk, and the parameters that tell of them.</summary>
internal static class LinuxCommon
{
    private const ulong Page = 4096;

    /// <summary>Writes command line, RAM disk and boot parameters, and returns nothing but a bootable memory.</summary>
    /// <param name="kernelEnd">First address above what the kernel needs at its start.</param>
    /// <param name="highestInitrd">Highest address that the RAM disk may touch.</param>
    /// <param name="longestCommandLine">Longest command line without its terminator.</param>
    public static void WriteInformation(BootRequest request, BootMemory memory, LinuxBootParameters parameters,
        ulong kernelEnd, ulong highestInitrd, uint longestCommandLine)
    {
        WriteCommandLine(request, memory, longestCommandLine);
        parameters.SetCommandLine(BootArea.CommandLine);
        if (WriteRamdisk(request, memory, kernelEnd, highestInitrd) is (var address, var length) && length != 0)
        {
            parameters.SetRamdisk(address, length);
        }

        parameters.SetRootPointer(request.RootPointer);
        parameters.SetMemoryMap(request.Memory.Map);
        memory.Write("Linux boot parameters", BootArea.Information, parameters.Bytes);
    }

    /// <summary>Writes the command line to its place.</summary>
    public static void WriteCommandLine(BootRequest request, BootMemory memory, uint longest)
    {
        long limit = Math.Min(longest, BootArea.CommandLineBytes - 1);
        int length = Encoding.UTF8.GetByteCount(request.CommandLine);
        if (length > limit)
        {
            throw new MachineException($"The kernel command line has {length:N0} bytes; {request.Kernel.Name} takes at most {limit:N0}.");
        }

        memory.WriteText("kernel command line", BootArea.CommandLine, request.CommandLine);
    }

    /// <summary>Writes the RAM disk as high as RAM and kernel allow, so that it is never in the way of the kernel's unpacking.</summary>
    public static (ulong Address, ulong Length) WriteRamdisk(BootRequest request, BootMemory memory, ulong kernelEnd, ulong highest)
    {
        if (request.Modules is [])
        {
            return default;
        }

        if (request.Modules.Count > 1)
        {
            throw new MachineException($"{request.Modules[1].Name}: Linux takes one initial RAM disk; concatenate the archives into one file.");
        }

        BootFile disk = request.Modules[0];
        ulong length = (ulong)disk.Content.Length;
        ulong top = Math.Min(request.Memory.LowMemoryBytes, highest + 1);
        if (length > top || ((top - length) & ~(Page - 1)) < kernelEnd)
        {
            throw new MachineException($"{disk.Name}: the initial RAM disk has {length:N0} bytes, but only "
                + $"{(top > kernelEnd ? top - kernelEnd : 0):N0} are free between the kernel and 0x{top:x}; give the machine more memory (--memory).");
        }

        ulong address = (top - length) & ~(Page - 1);
        memory.Write(disk.Name, address, disk.Content.Span);
        return (address, length);
    }

    /// <summary>Refuses a kernel that needs more memory than there is.</summary>
    public static void CheckFits(BootRequest request, ulong address, ulong length)
    {
        ulong available = request.Memory.LowMemoryBytes;
        if (length > available || address > available - length)
        {
            throw new MachineException($"{request.Kernel.Name}: too big: it needs memory up to {(UInt128)address + length:#,0} bytes "
                + $"(0x{address:x} and {length:N0} bytes from there), the machine has {available:N0} in one piece; give it more (--memory).");
        }
    }
}
