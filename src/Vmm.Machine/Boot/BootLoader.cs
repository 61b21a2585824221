using Vmm.Vmx;

namespace Vmm.Machine.Boot;

/// <summary>Finds the protocol of a kernel image by its content and boots it.</summary>
public static class BootLoader
{
    /// <summary>Most specific first: an ELF file may carry a Multiboot header, a PVH note, or neither.</summary>
    private static readonly IBootProtocol[] Protocols = [new MultibootProtocol(), new PvhProtocol(), new LinuxElfProtocol(), new LinuxImageProtocol()];

    /// <summary>Finds the protocol of an image.</summary>
    /// <param name="kernel">The kernel image.</param>
    /// <param name="entry">How it shall be entered.</param>
    /// <exception cref="MachineException">It is no kernel that can be booted so.</exception>
    public static IBootProtocol Detect(BootFile kernel, BootEntry entry = BootEntry.Auto)
    {
        foreach (IBootProtocol protocol in Protocols)
        {
            if (protocol.Accepts(kernel, entry))
            {
                return protocol;
            }
        }

        string[] others = [.. Protocols.Where(p => p.Accepts(kernel, BootEntry.Auto)).Select(p => p.Name)];
        if (others is not [])
        {
            throw new MachineException($"{kernel.Name}: cannot be entered as '{entry.ToString().ToLowerInvariant()}'; it offers {string.Join(", ", others)}.");
        }

        throw new MachineException($"{kernel.Name}: not a kernel: {Guess(kernel.Content.Span)}. "
            + "What boots: a Linux bzImage, an ELF vmlinux (64-bit Linux or PVH), or a Multiboot 1 kernel.");
    }

    /// <summary>Loads the kernel of a request with the protocol that its content asks for.</summary>
    /// <param name="request">What to boot.</param>
    /// <param name="memory">The guest's memory.</param>
    /// <returns>The state in which the boot processor starts.</returns>
    public static ProcessorState Load(BootRequest request, IGuestMemory memory) =>
        Detect(request.Kernel, request.Entry).Load(request, memory);

    private static string Guess(ReadOnlySpan<byte> image) => image switch
    {
        [] => "the file is empty",
        [0x1F, 0x8B, ..] => "it is gzip-compressed; unpack it first",
        [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', ..] => "it is xz-compressed; unpack it first",
        [0x28, 0xB5, 0x2F, 0xFD, ..] => "it is zstd-compressed; unpack it first",
        [0x7F, (byte)'E', (byte)'L', (byte)'F', 1, ..] => "it is a 32-bit ELF file without a Multiboot header",
        [0x7F, (byte)'E', (byte)'L', (byte)'F', ..] => "it is an ELF file, but not a bootable x86-64 executable",
        [(byte)'0', (byte)'7', (byte)'0', (byte)'7', ..] => "it is a cpio archive (an initramfs goes with --initrd)",
        [(byte)'!', (byte)'<', (byte)'a', (byte)'r', (byte)'c', (byte)'h', ..] => "it is a package; the kernel is inside",
        _ when image.Length < 1024 => $"the file has only {image.Length} bytes",
        _ => "it has no header that a boot loader knows",
    };
}
