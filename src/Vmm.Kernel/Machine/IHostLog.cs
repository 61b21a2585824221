namespace Vmm.Kernel;

/// <summary>Where messages for the person who runs the VM go. Called from any thread; must not block for long.</summary>
public interface IHostLog
{
    /// <summary>Writes a message.</summary>
    /// <param name="level">Severity.</param>
    /// <param name="source">Who says it: a VM, device, handler or scheduler by its configured name.</param>
    /// <param name="message">The message, a sentence.</param>
    void Write(DeviceLogLevel level, string source, string message);
}

/// <summary>Throws messages away.</summary>
public sealed class SilentLog : IHostLog
{
    /// <inheritdoc/>
    public void Write(DeviceLogLevel level, string source, string message)
    {
    }
}
