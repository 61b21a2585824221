namespace Vmm.Sdk.Testing;

/// <summary>The A20 gate of the fake board.</summary>
public sealed class FakeAddressLine20 : IAddressLine20
{
    /// <inheritdoc/>
    public bool Enabled { get; set; } = true;
}
