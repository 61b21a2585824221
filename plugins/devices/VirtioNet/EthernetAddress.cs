using System.Globalization;
using System.Security.Cryptography;

namespace Vmm.Plugins.VirtioNet;

/// <summary>The six bytes that name a network device on its segment.</summary>
internal static class EthernetAddress
{
    public const int Length = 6;

    /// <summary>Individual and locally administered (IEEE 802, 8.4), under the prefix that virtual machines use.</summary>
    private static ReadOnlySpan<byte> Prefix => [0x52, 0x54, 0x00];

    /// <summary>One that no other device has, in all likelihood.</summary>
    public static byte[] Random() => [.. Prefix, .. RandomNumberGenerator.GetBytes(Length - Prefix.Length)];

    /// <summary>Reads six pairs of hexadecimal digits.</summary>
    /// <returns>Null when the text is none, or a group address.</returns>
    public static byte[]? Parse(string text)
    {
        string[] parts = text.Split(':', '-');
        var address = new byte[Length];
        for (int i = 0; i < Length; i++)
        {
            if (parts.Length != Length || parts[i].Length != 2 || !byte.TryParse(parts[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out address[i]))
            {
                return null;
            }
        }

        return (address[0] & 1) == 0 ? address : null;
    }
}
