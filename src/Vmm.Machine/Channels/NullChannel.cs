namespace Vmm.Machine.Channels;

/// <summary>A channel to nowhere: bytes vanish, none come.</summary>
internal sealed class NullChannel : ICharacterChannel
{
    public void Send(ReadOnlySpan<byte> data)
    {
    }

    public void SetReceiver(CharacterReceiver receiver)
    {
    }

    public void ReceiverReady()
    {
    }
}
