using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vmm.Plugins.RawStorage;

/// <summary>Gives ranges of a file back to the file system: <c>fallocate</c> with FALLOC_FL_PUNCH_HOLE, on Linux.</summary>
internal static partial class FileHoles
{
    // linux/falloc.h: a hole may not change the size of the file, so both flags belong together.
    private const int KeepSizeAndPunchHole = 0x01 | 0x02;
    private const int Interrupted = 4;

    /// <summary>Makes a range read as zeros and frees its blocks.</summary>
    /// <returns>False when the file system or the host cannot; the range is unchanged then.</returns>
    public static bool TryPunch(SafeFileHandle file, long offset, long length)
    {
        if (!OperatingSystem.IsLinux() || !Environment.Is64BitProcess)
        {
            return false;
        }

        int result;
        do
        {
            result = Fallocate(file, KeepSizeAndPunchHole, offset, length);
        }
        while (result != 0 && Marshal.GetLastPInvokeError() == Interrupted);

        return result == 0;
    }

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int Fallocate(SafeFileHandle file, int mode, long offset, long length);
}
