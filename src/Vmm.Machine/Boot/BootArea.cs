namespace Vmm.Machine.Boot;

/// <summary>
/// Where boot information stands below 640 KiB. A kernel may use all of it again once it has read it; the first page
/// (interrupt vectors and BIOS data of real mode) stays untouched.
/// </summary>
internal static class BootArea
{
    public const ulong Gdt = 0x1000;

    /// <summary>Boot parameters of Linux (the "zero page"), hvm_start_info of PVH, or the Multiboot information.</summary>
    public const ulong Information = 0x2000;

    /// <summary>Lists that the information points to: memory map, modules, strings of modules. One page each.</summary>
    public const ulong MemoryMap = 0x4000;

    public const ulong ModuleList = 0x5000;

    public const ulong ModuleStrings = 0x6000;

    /// <summary>PML4, one PDPT and four page directories.</summary>
    public const ulong PageTables = 0x9000;

    /// <summary>Real-mode code and data of a bzImage entered in real mode, at a segment boundary.</summary>
    public const ulong RealModeKernel = 0x1_0000;

    /// <summary>The command line: above what a 16-bit setup code and its heap use.</summary>
    public const ulong CommandLine = 0x2_0000;

    /// <summary>Bytes that a command line may take, with its terminator.</summary>
    public const int CommandLineBytes = 0x1_0000;

    /// <summary>Initial stack of protocols that promise none but whose kernels often assume one; grows down.</summary>
    public const ulong StackTop = 0x8_0000;
}
