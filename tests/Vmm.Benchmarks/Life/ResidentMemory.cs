using System.Globalization;

namespace Vmm.Benchmarks.Life;

/// <summary>Resident memory of a process, as the host counts it.</summary>
/// <param name="Own">Bytes of the process itself.</param>
/// <param name="Guest">Bytes of the guest's RAM that have been touched.</param>
internal readonly record struct ResidentMemory(long Own, long Guest)
{
    // The names of the board's RAM: "low RAM", "RAM", "high RAM".
    private const string SharedMemory = "/memfd:";
    private const string GuestName = "RAM (deleted)";

    /// <summary>Reads <c>/proc/PID/smaps</c>; null if the process is gone.</summary>
    public static ResidentMemory? Of(int process)
    {
        try
        {
            return Parse(File.ReadAllLines($"/proc/{process}/smaps"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static ResidentMemory Parse(IEnumerable<string> lines)
    {
        long own = 0, guest = 0;
        bool isGuest = false;
        foreach (string line in lines)
        {
            string first = line.Split(' ', 2)[0];
            if (!first.EndsWith(':'))
            {
                isGuest = line.Contains(SharedMemory, StringComparison.Ordinal) && line.EndsWith(GuestName, StringComparison.Ordinal);
            }
            else if (first == "Rss:")
            {
                long bytes = long.Parse(line.AsSpan(4, line.Length - 6).Trim(), CultureInfo.InvariantCulture) * 1024;
                own += isGuest ? 0 : bytes;
                guest += isGuest ? bytes : 0;
            }
        }

        return new ResidentMemory(own, guest);
    }
}
