namespace Vmm.Plugins.ExitTrace;

/// <summary>A file of lines, written by several threads. What is buffered reaches the file at the latest with the next line after a while.</summary>
internal sealed class TraceFile : IDisposable
{
    private const int BufferSize = 64 * 1024;
    private const long FlushMilliseconds = 200;

    private readonly Lock _lock = new();
    private readonly FileStream _stream;
    private long _flushed = Environment.TickCount64;
    private bool _closed;

    /// <exception cref="IOException">The file cannot be written; the message says why.</exception>
    public TraceFile(string path)
    {
        try
        {
            _stream = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite, BufferSize);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new IOException($"The exit trace cannot be written to '{path}': {failed.Message}", failed);
        }
    }

    public void Write(ReadOnlySpan<byte> line)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            _stream.Write(line);
            if (Environment.TickCount64 - _flushed > FlushMilliseconds)
            {
                _stream.Flush();
                _flushed = Environment.TickCount64;
            }
        }
    }

    public void Flush()
    {
        lock (_lock)
        {
            if (!_closed)
            {
                _stream.Flush();
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _closed = true;
            _stream.Dispose();
        }
    }
}
