using Vmm.Vmx;

namespace Vmm.Machine.Boot;

/// <summary>A way to bring a kernel image into memory and to enter it. Pure: bytes in, memory and registers out.</summary>
public interface IBootProtocol
{
    /// <summary>Name for messages.</summary>
    string Name { get; }

    /// <summary>Whether the image follows this protocol and may be entered as asked.</summary>
    /// <param name="kernel">The kernel image.</param>
    /// <param name="entry">How to enter it.</param>
    bool Accepts(BootFile kernel, BootEntry entry);

    /// <summary>Writes kernel, modules and boot information into memory.</summary>
    /// <param name="request">What to boot.</param>
    /// <param name="memory">The guest's memory.</param>
    /// <returns>The state in which the boot processor starts.</returns>
    /// <exception cref="MachineException">The image is damaged or something does not fit.</exception>
    ProcessorState Load(BootRequest request, IGuestMemory memory);
}
