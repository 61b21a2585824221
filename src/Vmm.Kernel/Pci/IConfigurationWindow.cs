namespace Vmm.Kernel;

/// <summary>Registers behind a capability: the last double word of it reads and writes what the others point to.</summary>
internal interface IConfigurationWindow
{
    /// <summary>Reads what the capability points to.</summary>
    /// <param name="capability">The capability as the guest wrote it.</param>
    uint Read(ReadOnlySpan<byte> capability);

    /// <summary>Writes what the capability points to.</summary>
    /// <param name="capability">The capability as the guest wrote it, with the value in its last double word.</param>
    void Write(ReadOnlySpan<byte> capability);
}
