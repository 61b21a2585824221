using System.Buffers.Binary;
using System.Text;

namespace Vmm.Machine.Acpi;

/// <summary>Writes AML byte code (ACPI 6.5 ch. 20), nested as the ASL it stands for.</summary>
internal sealed class AmlBuilder
{
    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes];

    /// <summary><c>Scope (path) { … }</c></summary>
    public AmlBuilder Scope(string path, Action<AmlBuilder> content) => Block([0x10], Path(path), content);

    /// <summary><c>Device (name) { … }</c></summary>
    public AmlBuilder Device(string name, Action<AmlBuilder> content) => Block([0x5B, 0x82], Path(name), content);

    /// <summary><c>Name (name, integer)</c></summary>
    public AmlBuilder Name(string name, ulong value) => Raw([0x08, .. Path(name), .. Integer(value)]);

    /// <summary><c>Name (name, EisaId (id))</c></summary>
    public AmlBuilder NameEisaId(string name, string id) => Name(name, EisaId(id));

    /// <summary><c>Name (name, "text")</c></summary>
    public AmlBuilder NameText(string name, string text) => Raw([0x08, .. Path(name), 0x0D, .. Encoding.ASCII.GetBytes(text), 0]);

    /// <summary><c>Name (name, Package () { … })</c> of integers.</summary>
    public AmlBuilder NamePackage(string name, params ReadOnlySpan<ulong> values) => Raw([0x08, .. Path(name), .. Package(values)]);

    /// <summary><c>Name (name, Package () { Package () { … }, … })</c> of packages of integers.</summary>
    public AmlBuilder NamePackages(string name, IReadOnlyList<ulong[]> rows)
    {
        List<byte> content = [checked((byte)rows.Count)];
        foreach (ulong[] row in rows)
        {
            content.AddRange(Package(row));
        }

        return Raw([0x08, .. Path(name), 0x12, .. WithLength(content)]);
    }

    /// <summary><c>Name (name, ResourceTemplate () { … })</c></summary>
    public AmlBuilder NameResources(string name, AmlResources resources)
    {
        byte[] template = resources.ToArray();
        return Raw([0x08, .. Path(name), 0x11, .. WithLength([.. Integer((ulong)template.Length), .. template])]);
    }

    /// <summary>Compressed id of a device: three letters and four hexadecimal digits (ACPI 6.5 19.3.4).</summary>
    private static uint EisaId(string id)
    {
        uint letters = ((uint)(id[0] - '@') << 10) | ((uint)(id[1] - '@') << 5) | (uint)(id[2] - '@');
        uint number = Convert.ToUInt32(id[3..], 16);
        return BinaryPrimitives.ReverseEndianness((letters << 16) | number);
    }

    private AmlBuilder Block(ReadOnlySpan<byte> opcode, byte[] path, Action<AmlBuilder> content)
    {
        AmlBuilder inner = new();
        inner.Raw(path);
        content(inner);
        return Raw([.. opcode, .. WithLength(inner._bytes)]);
    }

    private AmlBuilder Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    private static byte[] Package(ReadOnlySpan<ulong> values)
    {
        List<byte> content = [checked((byte)values.Length)];
        foreach (ulong value in values)
        {
            content.AddRange(Integer(value));
        }

        return [0x12, .. WithLength(content)];
    }

    /// <summary>Puts PkgLength before the content; it counts itself (ACPI 6.5 20.2.4).</summary>
    private static byte[] WithLength(IReadOnlyCollection<byte> content)
    {
        int length = content.Count + 1;
        if (length < 0x40)
        {
            return [(byte)length, .. content];
        }

        length++;
        if (length < 0x1000)
        {
            return [(byte)(0x40 | (length & 0xF)), (byte)(length >> 4), .. content];
        }

        length++;
        return [(byte)(0x80 | (length & 0xF)), (byte)(length >> 4), (byte)(length >> 12), .. content];
    }

    private static byte[] Integer(ulong value) => value switch
    {
        0 => [0x00],
        1 => [0x01],
        <= byte.MaxValue => [0x0A, (byte)value],
        <= ushort.MaxValue => [0x0B, (byte)value, (byte)(value >> 8)],
        <= uint.MaxValue => [0x0C, .. BitConverter.GetBytes((uint)value)],
        _ => [0x0E, .. BitConverter.GetBytes(value)],
    };

    /// <summary>A name or a path: segments of four characters, padded with underscores (ACPI 6.5 20.2.2).</summary>
    private static byte[] Path(string path)
    {
        List<byte> bytes = [];
        if (path.StartsWith('\\'))
        {
            bytes.Add((byte)'\\');
            path = path[1..];
        }

        string[] segments = path.Split('.', StringSplitOptions.RemoveEmptyEntries);
        bytes.AddRange(segments.Length switch
        {
            0 => [0x00],
            1 => [],
            2 => [0x2E],
            _ => [0x2F, (byte)segments.Length],
        });
        foreach (string segment in segments)
        {
            bytes.AddRange(Encoding.ASCII.GetBytes(segment.PadRight(4, '_')));
        }

        return [.. bytes];
    }
}
