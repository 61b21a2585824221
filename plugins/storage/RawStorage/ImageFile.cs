using Microsoft.Win32.SafeHandles;

namespace Vmm.Plugins.RawStorage;

/// <summary>
/// Opens an image file and locks it: one writer, or any number of readers. On Unix the runtime takes the lock with
/// flock, so that it binds other processes and other virtual machines of this one alike.
/// </summary>
internal static class ImageFile
{
    /// <summary>EROFS, which the runtime passes on as it is.</summary>
    private const int ReadOnlyFileSystem = 30;

    public static SafeFileHandle Open(RawOptions options)
    {
        string path = options.Path;
        if (string.IsNullOrWhiteSpace(path))
        {
            throw new IOException("The disk has no image file; give path=FILE.");
        }

        if (Directory.Exists(path))
        {
            throw new IOException($"Disk image '{path}' is a directory; a raw image is a file.");
        }

        try
        {
            return File.OpenHandle(
                path,
                FileMode.Open,
                options.ReadOnly ? FileAccess.Read : FileAccess.ReadWrite,
                options.ReadOnly ? FileShare.Read : FileShare.None,
                options.Cache == CacheMode.WriteThrough ? FileOptions.WriteThrough : FileOptions.None);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new IOException($"Disk image '{path}' does not exist; create it first, for instance with 'truncate -s 4G {path}'.", missing);
        }
        catch (Exception denied) when (denied is UnauthorizedAccessException or IOException { HResult: ReadOnlyFileSystem })
        {
            throw new IOException(
                options.ReadOnly
                    ? $"Disk image '{path}' cannot be read: permission denied."
                    : $"Disk image '{path}' cannot be written: permission denied, or it is on a read-only file system. Attach it with readonly=on, or change its permissions.",
                denied);
        }
        catch (IOException failed) when (IsLocked(failed))
        {
            throw new IOException(
                $"Disk image '{path}' is in use by another virtual machine. Stop that one first, or attach the image with readonly=on in both.",
                failed);
        }
        catch (IOException failed)
        {
            throw new IOException($"Disk image '{path}' cannot be opened: {failed.Message}", failed);
        }
    }

    /// <summary>EWOULDBLOCK of flock, which the runtime passes on as it is, or the sharing violation of Windows.</summary>
    private static bool IsLocked(IOException failed) => failed.HResult is 11 or 35 or unchecked((int)0x80070020);
}
