namespace Vmm.Machine.Channels;

/// <summary>The outer end of a character channel: a terminal, a file, nothing.</summary>
public interface ICharacterEndpoint : IDisposable
{
    /// <summary>Takes bytes from the guest. Called by one thread at a time, which may be made to wait.</summary>
    /// <param name="data">The bytes.</param>
    void Write(ReadOnlySpan<byte> data);

    /// <summary>Waits for bytes for the guest. Called by one thread at a time.</summary>
    /// <param name="buffer">Where to.</param>
    /// <returns>How many; 0 when none will ever come again.</returns>
    int Read(Span<byte> buffer);
}
