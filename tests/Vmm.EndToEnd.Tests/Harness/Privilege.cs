using System.ComponentModel;
using System.Diagnostics;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>Launchers of util-linux that take rights from a process, so that tests mean the same for root and others.</summary>
internal static class Privilege
{
    /// <summary>Root without the capability that makes it deaf to the permissions of files; nothing for others.</summary>
    public static IReadOnlyList<string> BoundByPermissions { get; } =
        Environment.IsPrivilegedProcess ? ["setpriv", "--bounding-set=-dac_override"] : [];

    /// <summary>A mount namespace of its own, in which a file lies on a read-only mount.</summary>
    public static IReadOnlyList<string> WithReadOnly(string path) =>
        [.. Namespace, "sh", "-c", "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"", path];

    /// <summary>Why this host gives no mount namespace, or null.</summary>
    public static string? MountProblem { get; } = FindMountProblem();

    private static string[] Namespace => Environment.IsPrivilegedProcess ? ["unshare", "--mount"] : ["unshare", "--map-root-user", "--mount"];

    private static string? FindMountProblem()
    {
        ProcessStartInfo info = new(Namespace[0], [.. Namespace[1..], "mount", "--bind", "/tmp", "/tmp"]) { RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(info)!;
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : $"This host lets nobody mount in a namespace of their own: {errors.Trim()}";
        }
        catch (Win32Exception e)
        {
            return $"This host has no '{info.FileName}', a program of util-linux: {e.Message}";
        }
    }
}
