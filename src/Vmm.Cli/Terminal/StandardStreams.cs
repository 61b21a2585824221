using Vmm.Machine.Channels;

namespace Vmm.Cli.Terminal;

/// <summary>Standard input and output as the guest's console. The end of the input is not the end of the guest.</summary>
/// <param name="keys">Our own keys; null when standard input is a pipe, of which every byte is the guest's.</param>
internal sealed class StandardStreams(EscapeKeys? keys) : ICharacterEndpoint
{
    public void Write(ReadOnlySpan<byte> data) => FileDescriptor.Write(FileDescriptor.StandardOutput, data);

    public int Read(Span<byte> buffer)
    {
        while (true)
        {
            int count = FileDescriptor.Read(FileDescriptor.StandardInput, buffer);
            int kept = count == 0 || keys is null ? count : keys.Filter(buffer[..count]);
            if (count == 0 || kept != 0)
            {
                return kept;
            }
        }
    }

    public void Dispose()
    {
    }
}
