namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>How the running program was built.</summary>
internal static class Build
{
    /// <summary>Release or Debug: what it tests was built alike.</summary>
    public static string Configuration { get; } =
        AppContext.BaseDirectory.Split(Path.DirectorySeparatorChar).Contains("Release") ? "Release" : "Debug";

    /// <summary>Whether this is the long nightly run.</summary>
    public static bool IsNightly { get; } = Environment.GetEnvironmentVariable("VMM_NIGHTLY") is { Length: > 0 } and not "0";
}
