using System.Globalization;
using System.Text;

namespace Vmm.Sdk;

/// <summary>Turns the text of one value into a value of a scalar type, and says what would have been right when it cannot.</summary>
internal static class OptionText
{
    // Decimals hold all integers of 64 bits, and are compiled ahead of time where Int128 is not.
    private static readonly Dictionary<Type, (decimal Minimum, decimal Maximum)> Integers = new()
    {
        [typeof(byte)] = (byte.MinValue, byte.MaxValue),
        [typeof(sbyte)] = (sbyte.MinValue, sbyte.MaxValue),
        [typeof(short)] = (short.MinValue, short.MaxValue),
        [typeof(ushort)] = (ushort.MinValue, ushort.MaxValue),
        [typeof(int)] = (int.MinValue, int.MaxValue),
        [typeof(uint)] = (uint.MinValue, uint.MaxValue),
        [typeof(long)] = (long.MinValue, long.MaxValue),
        [typeof(ulong)] = (ulong.MinValue, ulong.MaxValue),
    };

    // With any suffix it is out of every range, and no overflow.
    private const decimal Enough = 70_000_000_000_000_000;

    public static bool IsScalar(Type type) =>
        type == typeof(string) || type == typeof(bool) || type == typeof(double) || type.IsEnum || Integers.ContainsKey(type);

    /// <summary>What the type is called in messages and in <c>vmm plugin inspect</c>.</summary>
    public static string NameOf(Type type) =>
        type == typeof(string) ? "text"
        : type == typeof(bool) ? "on|off"
        : type == typeof(double) ? "number"
        : type.IsEnum ? string.Join('|', Enum.GetNames(type).Select(Kebab))
        : "integer";

    /// <summary>How a value is written in configuration.</summary>
    public static string Format(object? value) => value switch
    {
        null => "",
        bool on => on ? "on" : "off",
        Enum e => Kebab(e.ToString()),
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    /// <summary>Converts; the second result says, as the end of a sentence about the key, what is wrong.</summary>
    public static (object? Value, string? Problem) Parse(Type type, string text, OptionRangeAttribute? range)
    {
        text = text.Trim();
        if (type == typeof(string))
        {
            return (text, null);
        }

        if (type == typeof(bool))
        {
            return text.ToLowerInvariant() switch
            {
                "on" or "true" or "yes" => (true, null),
                "off" or "false" or "no" => (false, null),
                _ => (null, $"'{text}' is neither on nor off"),
            };
        }

        if (type == typeof(double))
        {
            return ParseNumber(text, range);
        }

        return type.IsEnum ? ParseEnum(type, text) : ParseInteger(type, text, range);
    }

    /// <summary><c>ReadOnly</c> becomes <c>read-only</c>.</summary>
    public static string Kebab(string name)
    {
        var kebab = new StringBuilder();
        for (int i = 0; i < name.Length; i++)
        {
            bool startsWord = i > 0 && char.IsUpper(name[i])
                && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            kebab.Append(startsWord ? "-" : "").Append(char.ToLowerInvariant(name[i]));
        }

        return kebab.ToString();
    }

    /// <summary>The form in which two spellings of one name are equal.</summary>
    public static string Normalise(string name) => name.Replace("-", "").ToLowerInvariant();

    private static (object? Value, string? Problem) ParseEnum(Type type, string text)
    {
        string[] names = Enum.GetNames(type);
        string? match = names.FirstOrDefault(name => Normalise(name) == Normalise(text));
        if (match is not null)
        {
            return (Enum.Parse(type, match), null);
        }

        string[] valid = [.. names.Select(Kebab)];
        string? nearest = NearestName.Find(text, valid);
        string hint = nearest is null ? "" : $"; did you mean '{nearest}'?";
        return (null, $"'{text}' is none of {string.Join(", ", valid)}{hint}");
    }

    private static (object? Value, string? Problem) ParseNumber(string text, OptionRangeAttribute? range)
    {
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) || !double.IsFinite(number))
        {
            return (null, $"'{text}' is not a number");
        }

        return range is not null && (number < range.Minimum || number > range.Maximum)
            ? (null, $"{text} is out of range: {range.Minimum} to {range.Maximum}")
            : (number, null);
    }

    private static (object? Value, string? Problem) ParseInteger(Type type, string text, OptionRangeAttribute? range)
    {
        if (!TryParseInteger(text, out decimal integer))
        {
            return (null, $"'{text}' is not an integer (decimal, 0x hexadecimal, or with a suffix K, M, G or T)");
        }

        (decimal minimum, decimal maximum) = Bounds(type, range);
        if (integer < minimum || integer > maximum)
        {
            string format = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) && minimum >= 0 ? "X" : "D";
            return (null, $"{text} is out of range: {Show(minimum, format)} to {Show(maximum, format)}");
        }

        return (Convert.ChangeType(integer >= 0 ? (object)(ulong)integer : (long)integer, type, CultureInfo.InvariantCulture), null);
    }

    /// <summary>The legal values of an integer option.</summary>
    public static (decimal Minimum, decimal Maximum) Bounds(Type type, OptionRangeAttribute? range)
    {
        (decimal minimum, decimal maximum) = Integers[type];
        return range is null ? (minimum, maximum) : (Math.Max(minimum, range.Minimum), Math.Min(maximum, range.Maximum));
    }

    private static string Show(decimal value, string format) =>
        format == "X" ? $"0x{((ulong)value).ToString("X", CultureInfo.InvariantCulture)}" : value.ToString(CultureInfo.InvariantCulture);

    private static bool TryParseInteger(string text, out decimal value)
    {
        if (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            bool isHexadecimal = ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong bits);
            value = bits;
            return isHexadecimal;
        }

        int shift = text.Length == 0 ? 0 : char.ToUpperInvariant(text[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        ReadOnlySpan<char> digits = shift == 0 ? text : text.AsSpan(0, text.Length - 1);
        bool isDecimal = long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number);
        if (!isDecimal && shift == 0 && ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong large))
        {
            value = large;
            return true;
        }

        value = shift == 0 ? number : Math.Clamp(number, -Enough, Enough) * (1L << shift);
        return isDecimal;
    }
}
