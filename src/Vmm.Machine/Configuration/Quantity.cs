using System.Globalization;

namespace Vmm.Machine.Configuration;

/// <summary>Numbers as people write them: <c>512M</c>, <c>0x3f8</c>, <c>on</c>.</summary>
public static class Quantity
{
    private const string Suffixes = "KMGT";

    /// <summary>Parses a number of bytes with an optional suffix K, M, G or T (powers of 1024); a number without one means bytes.</summary>
    /// <param name="text">The text.</param>
    /// <param name="bytes">The number of bytes.</param>
    public static bool TryParseBytes(string text, out ulong bytes)
    {
        bytes = 0;
        string digits = text.Trim();
        digits = digits.EndsWith("iB", StringComparison.OrdinalIgnoreCase) ? digits[..^2] : digits.TrimEnd('B', 'b');
        int shift = 0;
        if (digits.Length != 0 && Suffixes.IndexOf(char.ToUpperInvariant(digits[^1]), StringComparison.Ordinal) is >= 0 and var index)
        {
            shift = (index + 1) * 10;
            digits = digits[..^1];
        }

        if (!TryParseNumber(digits, out ulong number) || number > ulong.MaxValue >> shift)
        {
            return false;
        }

        bytes = number << shift;
        return true;
    }

    /// <summary>Parses a decimal number, or a hexadecimal one after <c>0x</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="number">The number.</param>
    public static bool TryParseNumber(string text, out ulong number) =>
        text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    /// <summary>Parses <c>on</c>, <c>off</c>, <c>true</c>, <c>false</c>, <c>yes</c>, <c>no</c>, <c>1</c>, <c>0</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The value.</param>
    public static bool TryParseSwitch(string text, out bool value)
    {
        value = text.ToLowerInvariant() is "on" or "true" or "yes" or "1";
        return value || text.ToLowerInvariant() is "off" or "false" or "no" or "0";
    }
}
