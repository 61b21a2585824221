namespace Vmm.Kernel;

/// <summary>
/// One device of a VM: its gate, which keeps the device single-threaded, and its fault state. Every call into device
/// code goes through here.
/// </summary>
internal sealed class DeviceInstance(string name, Action<DeviceInstance, string, Exception> faulted)
{
    private volatile bool _faulted;

    /// <summary>Name of the instance in the configuration.</summary>
    public string Name { get; } = name;

    /// <summary>Its type, as in <c>--device TYPE</c>; for messages.</summary>
    public string Type { get; set; } = "";

    /// <summary>The object, once it is constructed.</summary>
    public object? Device { get; set; }

    /// <summary>Held around every call into the device. Recursive: a device may cause a call to itself.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Set by the first exception. A faulted device answers all ones and ignores everything.</summary>
    public bool Faulted => _faulted;

    /// <summary>Raised with the fault: what the device drives lets go.</summary>
    public event Action? Silenced;

    /// <summary>Runs a piece of device code under the gate; an exception becomes a fault.</summary>
    /// <param name="what">What runs, for the message.</param>
    /// <param name="work">The code.</param>
    public void Run(string what, Action work)
    {
        lock (Gate)
        {
            if (_faulted)
            {
                return;
            }

            try
            {
                work();
            }
            catch (Exception e)
            {
                Fault(what, e);
            }
        }
    }

    /// <summary>Marks the device faulted and reports it, once.</summary>
    public void Fault(string what, Exception exception)
    {
        if (!_faulted)
        {
            _faulted = true;
            Silenced?.Invoke();
            faulted(this, what, exception);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => Type.Length == 0 || Type == Name ? $"'{Name}'" : $"'{Name}' ({Type})";
}
