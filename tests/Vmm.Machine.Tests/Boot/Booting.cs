using Vmm.Machine.Boards;
using Vmm.Machine.Boot;

namespace Vmm.Machine.Tests.Boot;

/// <summary>A machine of 64 MiB to boot images on.</summary>
internal static class Booting
{
    public const int MemoryBytes = 64 << 20;

    public static BootRequest Request(byte[] kernel, string commandLine = "", params byte[][] modules) => new()
    {
        Kernel = new BootFile("kernel", kernel),
        Modules = [.. modules.Select((content, i) => new BootFile($"module{i}", content))],
        CommandLine = commandLine,
        Memory = new MemoryLayout(MemoryBytes),
        RootPointer = 0xE_0000,
    };

    public static ArrayMemory NewMemory() => new(MemoryBytes);
}
