namespace Vmm.Kernel;

/// <summary>
/// FERR#: where the errors of processors go whose guest has CR0.NE clear. VMX operation fixes NE to 1, so that such an error
/// is an intercepted #MF. IGNNE# is not there: a waiting instruction that meets the same error again reports it again.
/// </summary>
public sealed class FloatingPointErrors
{
    private volatile Action? _asserted;

    internal FloatingPointErrors()
    {
    }

    /// <summary>The pin as a device sees it.</summary>
    /// <param name="context">Of the device.</param>
    public IFloatingPointErrorPin PinFor(DeviceContext context) => new Pin(this, context.Instance);

    /// <summary>Whether a device makes something of errors.</summary>
    internal bool IsConnected => _asserted is not null;

    internal void Assert() => _asserted?.Invoke();

    private sealed class Pin(FloatingPointErrors errors, DeviceInstance owner) : IFloatingPointErrorPin
    {
        public void Connect(Action asserted) => errors._asserted = () => owner.Run("a floating-point error", asserted);
    }
}
