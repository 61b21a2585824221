using System.Text;

namespace Vmm.Machine.Images;

/// <summary>Writes a cpio archive in the "newc" format, as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst).</summary>
public sealed class CpioArchive(Stream output)
{
    private const int Directory = 0x4000;
    private const int CharacterDevice = 0x2000;
    private const int RegularFile = 0x8000;
    private const int SymbolicLink = 0xA000;
    private const string Trailer = "TRAILER!!!";
    private int _inode;
    private long _written;

    /// <summary>Adds a directory; its parents must have been added before.</summary>
    public void AddDirectory(string path, int permissions = 0x1ED) => Add(path, Directory | permissions, []);

    /// <summary>Adds a file.</summary>
    public void AddFile(string path, ReadOnlySpan<byte> content, bool executable = false) => Add(path, RegularFile | (executable ? 0x1ED : 0x1A4), content);

    /// <summary>Adds a symbolic link.</summary>
    public void AddLink(string path, string target) => Add(path, SymbolicLink | 0x1FF, Encoding.UTF8.GetBytes(target));

    /// <summary>Adds a character device.</summary>
    public void AddCharacterDevice(string path, int major, int minor) => Add(path, CharacterDevice | 0x180, [], major, minor);

    /// <summary>Ends the archive.</summary>
    public void Finish() => Add(Trailer, 0, []);

    private void Add(string path, int mode, ReadOnlySpan<byte> content, int major = 0, int minor = 0)
    {
        byte[] name = [.. Encoding.UTF8.GetBytes(path), 0];
        int inode = path == Trailer ? 0 : ++_inode;
        string header = $"070701{inode:X8}{mode:X8}{0:X8}{0:X8}{1:X8}{0:X8}{content.Length:X8}{0:X8}{0:X8}{major:X8}{minor:X8}{name.Length:X8}{0:X8}";
        Write(Encoding.ASCII.GetBytes(header));
        Write(name);
        Align();
        Write(content);
        Align();
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        output.Write(bytes);
        _written += bytes.Length;
    }

    private void Align() => Write(new byte[(4 - _written % 4) % 4]);
}
