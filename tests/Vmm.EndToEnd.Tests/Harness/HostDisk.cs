using System.Diagnostics;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>A disk image as the host sees it while a machine has it locked: .NET would ask for a lock of its own, cat does not.</summary>
internal static class HostDisk
{
    public static async Task<byte[]> ReadAsync(string path)
    {
        using Process cat = Process.Start(new ProcessStartInfo("cat", [path]) { RedirectStandardOutput = true })!;
        using MemoryStream content = new();
        await cat.StandardOutput.BaseStream.CopyToAsync(content);
        await cat.WaitForExitAsync();
        return content.ToArray();
    }
}
