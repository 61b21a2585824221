namespace Vmm.Machine.Channels;

/// <summary>A file that takes what the guest sends; it has nothing to say.</summary>
public sealed class FileEndpoint : ICharacterEndpoint
{
    private readonly FileStream _file;

    /// <summary>Opens the file, replacing what was in it.</summary>
    /// <param name="path">Its path.</param>
    /// <exception cref="MachineException">It cannot be written.</exception>
    public FileEndpoint(string path)
    {
        try
        {
            _file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new MachineException($"--serial file:{path}: the file cannot be written: {e.Message}", e);
        }
    }

    public void Write(ReadOnlySpan<byte> data) => _file.Write(data);

    public int Read(Span<byte> buffer) => 0;

    public void Dispose() => _file.Dispose();
}
