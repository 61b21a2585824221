namespace Vmm.Sdk.Testing;

/// <summary>Keeps the messages of a device.</summary>
public sealed class FakeLog : IDeviceLog
{
    private readonly List<FakeLogEntry> _entries = [];

    /// <summary>The messages, oldest first.</summary>
    public IReadOnlyList<FakeLogEntry> Entries
    {
        get
        {
            lock (_entries)
            {
                return [.. _entries];
            }
        }
    }

    /// <inheritdoc/>
    public void Write(DeviceLogLevel level, string message)
    {
        lock (_entries)
        {
            _entries.Add(new FakeLogEntry(level, message));
        }
    }
}

/// <summary>One message.</summary>
/// <param name="Level">Severity.</param>
/// <param name="Message">The message.</param>
public readonly record struct FakeLogEntry(DeviceLogLevel Level, string Message);
