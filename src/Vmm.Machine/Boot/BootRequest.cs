using Vmm.Machine.Boards;

namespace Vmm.Machine.Boot;

/// <summary>What is to be booted.</summary>
public sealed record BootRequest
{
    /// <summary>The kernel image.</summary>
    public required BootFile Kernel { get; init; }

    /// <summary>The initial RAM disk of Linux and the modules of Multiboot, in order.</summary>
    public IReadOnlyList<BootFile> Modules { get; init; } = [];

    /// <summary>Command line of the kernel.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>Where RAM is.</summary>
    public required MemoryLayout Memory { get; init; }

    /// <summary>Address of the ACPI root pointer, or 0 when there is none.</summary>
    public ulong RootPointer { get; init; }

    /// <summary>How to enter the kernel; by default the best way that it offers.</summary>
    public BootEntry Entry { get; init; } = BootEntry.Auto;
}

/// <summary>A file that takes part in booting.</summary>
/// <param name="Name">How messages call it: its path.</param>
/// <param name="Content">Its bytes.</param>
public sealed record BootFile(string Name, ReadOnlyMemory<byte> Content);

/// <summary>Ways to enter a kernel.</summary>
public enum BootEntry
{
    /// <summary>The best that the image offers.</summary>
    Auto,

    /// <summary>Linux in real mode, at the setup code of a bzImage.</summary>
    Linux16,

    /// <summary>Linux in 32-bit protected mode.</summary>
    Linux32,

    /// <summary>Linux in long mode.</summary>
    Linux64,

    /// <summary>PVH: 32-bit protected mode with a start-info structure.</summary>
    Pvh,

    /// <summary>Multiboot 1.</summary>
    Multiboot,
}
