using System.Text;

namespace Vmm.Machine.Images;

/// <summary>A loadable module of the Linux kernel.</summary>
/// <param name="Name">Its name, with underscores as the kernel has it.</param>
/// <param name="Content">The object file.</param>
public sealed record KernelModule(string Name, ReadOnlyMemory<byte> Content)
{
    private const string Extension = ".ko";

    /// <summary>Starts the list of modules in the section .modinfo, which is made of "key=value" strings that end with 0.</summary>
    private static ReadOnlySpan<byte> DependsKey => "\0depends="u8;

    /// <summary>Names of the modules that must be loaded before.</summary>
    public IReadOnlyList<string> Dependencies { get; } = ReadDependencies(Content.Span);

    /// <summary>Whether a file of a package is a module.</summary>
    public static bool IsModule(string path) => path.EndsWith(Extension, StringComparison.Ordinal);

    /// <summary>Picks modules and all that they need, each after those that it needs itself.</summary>
    /// <param name="wanted">Names of modules; one that is not there is built in.</param>
    /// <param name="files">Every module of the kernel.</param>
    public static IReadOnlyList<KernelModule> WithDependencies(IEnumerable<string> wanted, IEnumerable<(string Path, byte[] Content)> files)
    {
        Dictionary<string, byte[]> known = [];
        foreach ((string path, byte[] content) in files)
        {
            known[Canonical(Path.GetFileNameWithoutExtension(path))] = content;
        }

        List<KernelModule> ordered = [];
        HashSet<string> seen = [];
        foreach (string name in wanted)
        {
            Add(name);
        }

        return ordered;

        void Add(string name)
        {
            if (known.TryGetValue(name, out byte[]? content) && seen.Add(name))
            {
                KernelModule module = new(name, content);
                foreach (string dependency in module.Dependencies)
                {
                    Add(dependency);
                }

                ordered.Add(module);
            }
        }
    }

    /// <summary>File names may have hyphens where the kernel has underscores.</summary>
    private static string Canonical(string name) => name.Replace('-', '_');

    private static string[] ReadDependencies(ReadOnlySpan<byte> content)
    {
        int at = content.IndexOf(DependsKey);
        if (at < 0)
        {
            return [];
        }

        ReadOnlySpan<byte> list = content[(at + DependsKey.Length)..];
        int end = list.IndexOf((byte)0);
        return [.. Encoding.ASCII.GetString(end < 0 ? list : list[..end]).Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Canonical)];
    }
}
