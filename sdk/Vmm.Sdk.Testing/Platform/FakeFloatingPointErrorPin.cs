namespace Vmm.Sdk.Testing;

/// <summary>The FERR# pin of the fake board.</summary>
public sealed class FakeFloatingPointErrorPin : IFloatingPointErrorPin
{
    private Action? _asserted;

    /// <inheritdoc/>
    public void Connect(Action asserted) => _asserted = asserted;

    /// <summary>A processor meets an error.</summary>
    public void Assert() => _asserted?.Invoke();
}
