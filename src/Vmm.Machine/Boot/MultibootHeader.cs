using System.Buffers.Binary;

namespace Vmm.Machine.Boot;

/// <summary>The header of a Multiboot 1 image (Multiboot Specification 0.6.96, 3.1), somewhere in its first 8 KiB.</summary>
internal readonly record struct MultibootHeader(int FileOffset, uint Flags, uint HeaderAddress, uint LoadAddress, uint LoadEnd, uint BssEnd, uint Entry)
{
    /// <summary>The image wants the address fields to be used, whatever its file format ("a.out kludge").</summary>
    public const uint HasAddresses = 1u << 16;

    /// <summary>Features the loader must know: module alignment and memory information, which are always given. Video modes are not.</summary>
    public const uint KnownRequirements = 0x3;

    private const uint Magic = 0x1BAD_B002;
    private const int SearchedBytes = 8192;

    /// <summary>Finds the header: the first aligned magic number whose checksum fits.</summary>
    public static bool TryFind(ReadOnlySpan<byte> image, out MultibootHeader header)
    {
        ReadOnlySpan<byte> area = image[..Math.Min(image.Length, SearchedBytes)];
        for (int offset = 0; offset + 12 <= area.Length; offset += 4)
        {
            if (Read(area, offset) != Magic || unchecked(Magic + Read(area, offset + 4) + Read(area, offset + 8)) != 0)
            {
                continue;
            }

            uint flags = Read(area, offset + 4);
            bool addresses = (flags & HasAddresses) != 0;
            if (addresses && offset + 32 > area.Length)
            {
                continue;
            }

            header = addresses
                ? new(offset, flags, Read(area, offset + 12), Read(area, offset + 16), Read(area, offset + 20), Read(area, offset + 24), Read(area, offset + 28))
                : new(offset, flags, 0, 0, 0, 0, 0);
            return true;
        }

        header = default;
        return false;
    }

    private static uint Read(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);
}
