using Vmm.Sdk;

namespace Vmm.Plugins.Uart16550;

/// <summary>The receiver's buffer: 16 bytes with a trigger level, or the single buffer register of a 16450.</summary>
internal sealed class ReceiveFifo
{
    private const byte EnableBit = 0x01;
    private const byte ClearReceiveBit = 0x02;

    private readonly ByteFifo _bytes = new(16);
    private byte _control;

    public bool Enabled => (_control & EnableBit) != 0;

    public bool IsEmpty => _bytes.IsEmpty;

    public int Room => (Enabled ? _bytes.Capacity : 1) - _bytes.Count;

    public bool TriggerReached => _bytes.Count >= Trigger;

    private int Trigger => !Enabled ? 1 : (_control >> 6) switch { 0 => 1, 1 => 4, 2 => 8, _ => 14 };

    /// <summary>The FIFO control register (PC16550D data sheet, 8.5).</summary>
    public void Control(byte value)
    {
        var toggles = ((value ^ _control) & EnableBit) != 0;
        if (toggles || (value & (EnableBit | ClearReceiveBit)) == (EnableBit | ClearReceiveBit))
        {
            _bytes.Clear();
        }

        // The other bits can only be programmed together with the enable bit.
        _control = (byte)((value & EnableBit) != 0 ? value & 0xc1 : 0);
    }

    public void Reset() => Control(0);

    public int Add(ReadOnlySpan<byte> data) => _bytes.Enqueue(data[..Math.Min(data.Length, Room)]);

    /// <summary>Takes the oldest byte; 0 when there is none.</summary>
    public byte Take() => _bytes.TryDequeue(out var value) ? value : (byte)0;

    public void Save(IStateWriter state)
    {
        state.UInt8(1, _control);
        _bytes.Save(state, 2);
    }

    public void Restore(IStateReader state)
    {
        _control = (byte)(state.UInt8(1) & 0xc1);
        _bytes.Restore(state, 2);
        if (Room < 0)
        {
            throw new StateException("16550A: the receiver holds more than one byte with its FIFO off.");
        }
    }
}
