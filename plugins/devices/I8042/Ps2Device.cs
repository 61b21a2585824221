using Vmm.Sdk;

namespace Vmm.Plugins.I8042;

/// <summary>What keyboard and mouse have in common: answers that wait for the controller, and commands with a parameter.</summary>
internal abstract class Ps2Device
{
    protected const byte Acknowledge = 0xfa;
    protected const byte ResendRequest = 0xfe;
    protected const byte SelfTestPassed = 0xaa;
    protected const byte NoCommand = 0;

    private readonly ByteFifo _answers = new(16);
    private byte _lastSent;

    /// <summary>The command whose parameter is the next byte, or <see cref="NoCommand"/>.</summary>
    protected byte Expecting { get; set; }

    public virtual void Reset()
    {
        _answers.Clear();
        _lastSent = 0;
        Expecting = NoCommand;
    }

    /// <summary>A byte from the host.</summary>
    public abstract void Write(byte value);

    /// <summary>The next byte for the host.</summary>
    public bool TryTake(out byte value)
    {
        var taken = _answers.TryDequeue(out value);
        _lastSent = taken ? value : _lastSent;
        return taken;
    }

    public virtual void Save(IStateWriter state)
    {
        _answers.Save(state, 1);
        state.UInt8(2, _lastSent);
        state.UInt8(3, Expecting);
    }

    public virtual void Restore(IStateReader state)
    {
        _answers.Restore(state, 1);
        _lastSent = state.UInt8(2);
        Expecting = state.UInt8(3);
    }

    // A host that never reads loses answers, as with the real thing.
    protected void Answer(params ReadOnlySpan<byte> bytes) => _answers.Enqueue(bytes);

    protected void ForgetAnswers() => _answers.Clear();

    protected void Resend() => Answer(_lastSent);
}
