namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>
/// How long things may take before a test gives up. Far above what they do take: a deadline that is met only on an idle
/// host tests the host.
/// </summary>
internal static class Deadlines
{
    /// <summary>A command that ends by itself.</summary>
    public static readonly TimeSpan Command = TimeSpan.FromMinutes(2);

    /// <summary>A boot of Linux to its shell.</summary>
    public static readonly TimeSpan Boot = TimeSpan.FromMinutes(4);

    /// <summary>One line typed at the shell.</summary>
    public static readonly TimeSpan Line = TimeSpan.FromMinutes(2);
}
