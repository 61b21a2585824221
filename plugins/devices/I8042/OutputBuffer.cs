using Vmm.Sdk;

namespace Vmm.Plugins.I8042;

/// <summary>
/// The controller's one-byte output buffer. An answer of the controller itself goes before bytes of the devices, and
/// waits while the buffer is full.
/// </summary>
internal sealed class OutputBuffer
{
    private byte _value;
    private byte _waiting;
    private bool _isWaiting;
    private bool _isWaitingAuxiliary;

    public bool IsFull { get; private set; }

    public bool IsAuxiliary { get; private set; }

    public bool IsFree => !IsFull && !_isWaiting;

    public void Reset()
    {
        _value = 0;
        _waiting = 0;
        _isWaiting = false;
        _isWaitingAuxiliary = false;
        IsFull = false;
        IsAuxiliary = false;
    }

    public void Put(byte value, bool auxiliary)
    {
        if (IsFull)
        {
            (_waiting, _isWaiting, _isWaitingAuxiliary) = (value, true, auxiliary);
        }
        else
        {
            (_value, IsFull, IsAuxiliary) = (value, true, auxiliary);
        }
    }

    /// <summary>Empties the buffer; an empty one gives its last byte again.</summary>
    public byte Take()
    {
        IsFull = false;
        return _value;
    }

    /// <summary>Lets the answer that waits in.</summary>
    public void Advance()
    {
        if (_isWaiting && !IsFull)
        {
            _isWaiting = false;
            Put(_waiting, _isWaitingAuxiliary);
        }
    }

    public void Save(IStateWriter state)
    {
        state.UInt8(1, _value);
        state.UInt8(2, _waiting);
        state.UInt8(3, (byte)((IsFull ? 1 : 0) | (IsAuxiliary ? 2 : 0) | (_isWaiting ? 4 : 0) | (_isWaitingAuxiliary ? 8 : 0)));
    }

    public void Restore(IStateReader state)
    {
        _value = state.UInt8(1);
        _waiting = state.UInt8(2);
        var flags = state.UInt8(3);
        IsFull = (flags & 1) != 0;
        IsAuxiliary = (flags & 2) != 0;
        _isWaiting = (flags & 4) != 0;
        _isWaitingAuxiliary = (flags & 8) != 0;
    }
}
