using System.Runtime.InteropServices;

namespace Vmm.Cli.Doctor;

/// <summary>The parts of a host that the checks look at; a test shows them another one.</summary>
/// <param name="Root">Where its file system is.</param>
/// <param name="SearchPath">Its PATH.</param>
internal sealed partial record HostView(string Root, string SearchPath)
{
    private const int ReadWrite = 2, CloseOnExec = 0x8_0000;

    /// <summary>This host.</summary>
    public static HostView Own => new("/", Environment.GetEnvironmentVariable("PATH") ?? "");

    /// <summary>Path of a file of the host.</summary>
    public string At(string path) => Path.Combine(Root, path.TrimStart('/'));

    /// <summary>Whether there is something at a path.</summary>
    public bool Exists(string path) => Path.Exists(At(path));

    /// <summary>The text of a small file, or null.</summary>
    public string? Read(string path)
    {
        try
        {
            return File.ReadAllText(At(path)).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Where a program is, or null.</summary>
    public string? FindProgram(string name) =>
        SearchPath.Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(At(folder), name))
            .FirstOrDefault(File.Exists);

    /// <summary>Why a device cannot be opened for reading and writing; null when it can.</summary>
    public string? WhyNotOpen(string path)
    {
        int descriptor = Open(At(path), ReadWrite | CloseOnExec);
        if (descriptor < 0)
        {
            return Marshal.GetLastPInvokeErrorMessage();
        }

        _ = Close(descriptor);
        return null;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
