using Vmm.Sdk;

namespace Vmm.Plugins.Hpet;

/// <summary>One timer: configuration and comparator (IA-PC HPET 1.0a, 2.3.8 and 2.3.9). It counts; the device routes.</summary>
internal sealed class Comparator
{
    private const uint LevelTriggered = 1 << 1;
    private const uint InterruptEnable = 1 << 2;
    private const uint PeriodicMode = 1 << 3;
    private const uint ValueSet = 1 << 6;
    private const uint Mode32Bit = 1 << 8;

    /// <summary>Periodic mode and 64 bits are implemented, FSB delivery is not.</summary>
    private const uint Capabilities = (1 << 4) | (1 << 5);

    private const uint Writable = LevelTriggered | InterruptEnable | PeriodicMode | ValueSet | Mode32Bit | (0x1f << 9);

    private static readonly BitField Route = new(9, 5);

    private uint _configuration;
    private ulong _value;
    private ulong _period;

    public bool IsLevelTriggered => (_configuration & LevelTriggered) != 0;

    public bool InterruptsEnabled => (_configuration & InterruptEnable) != 0;

    /// <summary>The chosen I/O APIC input, or null when it is none that the timer can use.</summary>
    public int? Input => (int)Route.Get(_configuration) is var input && ((HpetLines.Routes >> input) & 1) != 0 ? input : null;

    public ulong Configuration
    {
        // VAL_SET is write-only (bit 6 "will always be read as 0").
        get => ((ulong)HpetLines.Routes << 32) | (_configuration & ~ValueSet) | Capabilities;
        set
        {
            _configuration = (uint)value & Writable;
            _value &= Mask;
            _period &= Mask;
        }
    }

    public ulong Value => _value;

    private bool IsPeriodic => (_configuration & PeriodicMode) != 0;

    private ulong Mask => (_configuration & Mode32Bit) != 0 ? uint.MaxValue : ulong.MaxValue;

    /// <summary>
    /// A write to the comparator. In periodic mode it is the period, and reaches the comparator too only after VAL_SET
    /// was written.
    /// </summary>
    /// <param name="value">The bits written, in place.</param>
    /// <param name="written">Which bits were written.</param>
    public void WriteValue(ulong value, ulong written)
    {
        if (IsPeriodic)
        {
            _period = ((_period & ~written) | value) & Mask;
        }

        if (!IsPeriodic || (_configuration & ValueSet) != 0)
        {
            _value = ((_value & ~written) | value) & Mask;
        }

        _configuration &= ~ValueSet;
    }

    public void Reset()
    {
        _configuration = 0;
        _period = 0;
        _value = ulong.MaxValue;
    }

    /// <summary>Ticks until the counter next equals the comparator; 0 when it does now.</summary>
    public ulong DistanceFrom(ulong counter) => (_value - counter) & Mask;

    /// <summary>
    /// The match was seen at <paramref name="counter"/>: a periodic comparator moves on by its period, past the counter
    /// if the host was late.
    /// </summary>
    /// <returns>Ticks until the next match.</returns>
    public ulong Advance(ulong counter)
    {
        if (IsPeriodic && _period != 0)
        {
            ulong late = (counter - _value) & Mask;
            _value = (_value + (((late / _period) + 1) * _period)) & Mask;
            return DistanceFrom(counter);
        }

        // A one-shot comparator matches again when the counter comes round; with 64 bits that is never.
        ulong distance = DistanceFrom(counter);
        return distance != 0 ? distance : Mask == uint.MaxValue ? 1ul << 32 : ulong.MaxValue;
    }

    public void Save(IStateWriter state)
    {
        state.UInt32(1, _configuration);
        state.UInt64(2, _value);
        state.UInt64(3, _period);
    }

    public void Restore(IStateReader state)
    {
        _configuration = state.UInt32(1) & Writable;
        _value = state.UInt64(2, ulong.MaxValue) & Mask;
        _period = state.UInt64(3) & Mask;
    }
}
