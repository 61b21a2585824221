using System.Formats.Tar;

namespace Vmm.Machine.Images;

/// <summary>Takes files out of a .deb (deb(5)) without installing it. <c>dpkg-deb</c> is on every host that has apt.</summary>
internal sealed class DebianPackage(string path)
{
    /// <summary>The first regular file of the package that is wanted.</summary>
    /// <param name="wanted">Decides by the path inside the package, such as <c>boot/vmlinuz-6.1</c>.</param>
    /// <exception cref="MachineException">The package is damaged or has no such file.</exception>
    public byte[] ReadFile(Func<string, bool> wanted) =>
        ReadFiles(wanted).Select(file => file.Content).FirstOrDefault() ?? throw new MachineException($"{path}: the package does not have the file that is needed.");

    /// <summary>Every regular file of the package that is wanted, in the package's order.</summary>
    /// <param name="wanted">Decides by the path inside the package.</param>
    public IEnumerable<(string Path, byte[] Content)> ReadFiles(Func<string, bool> wanted)
    {
        using MemoryStream plain = new(ExternalTool.Read("dpkg-deb", ["--fsys-tarfile", path]));
        using TarReader tar = new(plain);
        while (tar.GetNextEntry() is { } entry)
        {
            string name = entry.Name.TrimStart('.', '/');
            if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile && entry.DataStream is { } data && wanted(name))
            {
                byte[] bytes = new byte[data.Length];
                data.ReadExactly(bytes);
                yield return (name, bytes);
            }
        }
    }
}
