namespace Vmm.Cli.Arguments;

/// <summary>The value of options like <c>--device TYPE,key=value,key=value</c>. A doubled comma stands for one.</summary>
internal static class KeyValueList
{
    /// <summary>Takes a list apart.</summary>
    /// <param name="option">The option, for messages.</param>
    /// <param name="text">Its value.</param>
    /// <param name="hasHead">Whether the list starts with a word by itself.</param>
    public static (string Head, IReadOnlyList<KeyValuePair<string, string>> Pairs) Parse(string option, string text, bool hasHead)
    {
        const string comma = "\0";
        string[] parts = [.. text.Replace(",,", comma, StringComparison.Ordinal).Split(',').Select(part => part.Replace(comma, ",", StringComparison.Ordinal))];
        string head = "";
        if (hasHead)
        {
            head = parts[0];
            parts = parts[1..];
            if (head.Length == 0 || head.Contains('=', StringComparison.Ordinal))
            {
                throw new UsageException($"{option} {text}: starts with a type, as in {option} TYPE,key=value.");
            }
        }

        List<KeyValuePair<string, string>> pairs = [];
        foreach (string part in parts)
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new UsageException($"{option} {text}: '{part}' is not key=value.");
            }

            string key = part[..equals];
            if (pairs.Exists(pair => pair.Key.Equals(key, StringComparison.OrdinalIgnoreCase)))
            {
                throw new UsageException($"{option} {text}: '{key}' is given twice.");
            }

            pairs.Add(new(key, part[(equals + 1)..]));
        }

        return (head, pairs);
    }
}
