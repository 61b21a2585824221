using System.Runtime.InteropServices;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// Memory for generated code: one file mapped twice, once to write and once to run, so that no page is ever both.
/// </summary>
/// <remarks>
/// Unsafe invariant: both views stay mapped while this object lives, and <see cref="Writable"/> is written by the thread
/// of the owning processor only. x86 processors see the new bytes at the next jump (SDM Vol. 3A 11.6).
/// </remarks>
internal sealed unsafe partial class CodeMemory : IDisposable
{
    private const int ProtectionRead = 1;
    private const int ProtectionWrite = 2;
    private const int ProtectionExecute = 4;
    private const int Shared = 1;
    private const uint CloseOnExec = 1;

    private readonly byte* _writable;
    private readonly byte* _executable;

    /// <summary>Maps <paramref name="size"/> bytes; the host's memory is taken as it is touched.</summary>
    /// <exception cref="InvalidOperationException">The host refuses.</exception>
    public CodeMemory(int size)
    {
        Size = size;
        int file = MemfdCreate("vmm-code", CloseOnExec);
        if (file < 0 || Ftruncate(file, size) != 0)
        {
            throw Refused();
        }

        _writable = Map(file, ProtectionRead | ProtectionWrite);
        _executable = Map(file, ProtectionRead | ProtectionExecute);
        _ = Close(file);
    }

    public int Size { get; }

    /// <summary>Where code is written.</summary>
    public byte* Writable => _writable;

    /// <summary>Where the same code runs.</summary>
    public byte* Executable => _executable;

    /// <summary>Whether this host lets a process make code: x86-64 Linux without a policy against it.</summary>
    public static bool IsSupported { get; } = Probe();

    private static bool Probe()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return false;
        }

        try
        {
            new CodeMemory(4096).Dispose();
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private byte* Map(int file, int protection)
    {
        nint address = Mmap(0, (nuint)Size, protection, Shared, file, 0);
        return address != -1 ? (byte*)address : throw Refused();
    }

    private static InvalidOperationException Refused() => new(
        $"The host refuses memory for generated code (error {Marshal.GetLastPInvokeError()}); use --engine-option tier=interpreter.");

    public void Dispose()
    {
        _ = Munmap((nint)_writable, (nuint)Size);
        _ = Munmap((nint)_executable, (nuint)Size);
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemfdCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    private static partial int Ftruncate(int file, long length);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Mmap(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Munmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
