using System.Text;

namespace Vmm.Sdk.Testing;

/// <summary>A character channel with both directions in the hands of the test, back-pressure included.</summary>
public sealed class FakeCharacterChannel : ICharacterChannel
{
    private readonly List<byte> _sent = [];
    private readonly List<byte> _waiting = [];
    private CharacterReceiver? _receiver;
    private bool _offering;

    /// <summary>What the device sent, oldest first.</summary>
    public IReadOnlyList<byte> Sent => _sent;

    /// <summary>What the device sent, as text.</summary>
    public string SentText => Encoding.Latin1.GetString([.. _sent]);

    /// <summary>How many bytes wait because the device did not accept them yet.</summary>
    public int Waiting => _waiting.Count;

    /// <inheritdoc/>
    public void Send(ReadOnlySpan<byte> data) => _sent.AddRange(data);

    /// <inheritdoc/>
    public void SetReceiver(CharacterReceiver receiver)
    {
        _receiver = receiver;
        ReceiverReady();
    }

    /// <inheritdoc/>
    public void ReceiverReady()
    {
        if (_offering)
        {
            return;
        }

        _offering = true;
        try
        {
            while (_waiting.Count > 0 && _receiver is { } receiver)
            {
                var accepted = receiver(_waiting.ToArray());
                if (accepted < 0 || accepted > _waiting.Count)
                {
                    throw new InvalidOperationException($"The receiver accepted {accepted} of {_waiting.Count} bytes.");
                }

                if (accepted == 0)
                {
                    return;
                }

                _waiting.RemoveRange(0, accepted);
            }
        }
        finally
        {
            _offering = false;
        }
    }

    /// <summary>Bytes arrive from outside.</summary>
    /// <param name="data">The bytes.</param>
    public void Receive(params ReadOnlySpan<byte> data)
    {
        _waiting.AddRange(data);
        ReceiverReady();
    }

    /// <summary>Text arrives from outside.</summary>
    /// <param name="text">The text, Latin-1.</param>
    public void Receive(string text) => Receive(Encoding.Latin1.GetBytes(text));
}
