namespace Vmm.Machine.Acpi;

/// <summary>Writes a resource template (ACPI 6.5 6.4).</summary>
internal sealed class AmlResources
{
    private const byte MinimumAndMaximumFixed = 0x0C;
    private readonly List<byte> _bytes = [];

    /// <summary>The template with its end tag; a checksum of 0 means "not checked".</summary>
    public byte[] ToArray() => [.. _bytes, 0x79, 0x00];

    /// <summary>Fixed ports, 16-bit decoded (6.4.2.5).</summary>
    public AmlResources Ports(ushort port, byte length) =>
        Add([0x47, 0x01, .. Word(port), .. Word(port), 1, length]);

    /// <summary>An edge-triggered, active-high interrupt line below 16 (6.4.2.1).</summary>
    public AmlResources Interrupt(byte line) => Add([0x22, .. Word((ushort)(1 << line))]);

    /// <summary>A fixed range of memory (6.4.3.4).</summary>
    public AmlResources Memory(uint address, uint length) => Add([0x86, .. Word(9), 1, .. Double(address), .. Double(length)]);

    /// <summary>The range of bus numbers that a bridge passes on (6.4.3.5.3).</summary>
    public AmlResources Buses(byte first, byte last) =>
        Add([0x88, .. Word(13), 2, MinimumAndMaximumFixed, 0, .. Word(0), .. Word(first), .. Word(last), .. Word(0), .. Word((ushort)(last - first + 1))]);

    /// <summary>A range of ports that a bridge passes on.</summary>
    public AmlResources PortWindow(ushort first, ushort last) =>
        Add([0x88, .. Word(13), 1, MinimumAndMaximumFixed, 3, .. Word(0), .. Word(first), .. Word(last), .. Word(0), .. Word((ushort)(last - first + 1))]);

    /// <summary>A range of memory below 4 GiB that a bridge passes on, not cacheable, read and write (6.4.3.5.2).</summary>
    public AmlResources MemoryWindow(uint first, uint last) =>
        Add([0x87, .. Word(23), 0, MinimumAndMaximumFixed, 1, .. Double(0), .. Double(first), .. Double(last), .. Double(0), .. Double(last - first + 1)]);

    /// <summary>A range of memory above 4 GiB that a bridge passes on (6.4.3.5.1).</summary>
    public AmlResources HighMemoryWindow(ulong first, ulong last) =>
        Add([0x8A, .. Word(43), 0, MinimumAndMaximumFixed, 1, .. Quad(0), .. Quad(first), .. Quad(last), .. Quad(0), .. Quad(last - first + 1)]);

    private AmlResources Add(ReadOnlySpan<byte> descriptor)
    {
        _bytes.AddRange(descriptor);
        return this;
    }

    private static byte[] Word(ushort value) => BitConverter.GetBytes(value);

    private static byte[] Double(uint value) => BitConverter.GetBytes(value);

    private static byte[] Quad(ulong value) => BitConverter.GetBytes(value);
}
