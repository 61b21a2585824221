using Vmm.Sdk;

namespace Vmm.Plugins.Pit8254;

/// <summary>Port 0x61 of a PC (82371AB data sheet, "NMI Status and Control"): gate of counter 2, speaker, refresh, OUT2.</summary>
internal sealed class SystemControlPortB(Counter speakerCounter, IVirtualClock clock) : IPortDevice
{
    private const byte Gate = 0x01;
    private const byte Writable = 0x0f;
    private const byte RefreshToggle = 0x10;
    private const byte CounterOutput = 0x20;

    /// <summary>Counter 1 asks for a refresh every 18 ticks on a PC; the bit changes with each.</summary>
    private const int TicksPerRefresh = 18;

    private byte _control;

    public void Reset() => _control = 0;

    public ulong Read(uint offset, AccessWidth width)
    {
        var now = PitTicks.At(clock.NowNanoseconds);
        return (ulong)(_control
            | ((now / TicksPerRefresh & 1) != 0 ? RefreshToggle : 0)
            | (speakerCounter.Output(now) ? CounterOutput : 0));
    }

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        _control = (byte)(value & Writable);
        speakerCounter.SetGate((_control & Gate) != 0, PitTicks.At(clock.NowNanoseconds));
    }

    public void Save(IStateWriter state) => state.UInt8(1, _control);

    public void Restore(IStateReader state) => _control = (byte)(state.UInt8(1) & Writable);
}
