namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>A folder that lives as long as its owner.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vmm-test-");

    /// <summary>A path in it.</summary>
    public string At(string name) => Path.Combine(_folder.FullName, name);

    /// <summary>Writes a file and gives its path.</summary>
    public string Write(string name, ReadOnlySpan<byte> content)
    {
        File.WriteAllBytes(At(name), content);
        return At(name);
    }

    /// <summary>Makes an empty disk and gives its path.</summary>
    public string Disk(string name, long bytes)
    {
        using FileStream file = File.Create(At(name));
        file.SetLength(bytes);
        return At(name);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
