using Vmm.Sdk;

namespace Vmm.Plugins.Pic8259;

/// <summary>One 8259A (Intel 8259A data sheet, order number 231468).</summary>
/// <param name="alwaysLevel">Inputs that are level-sensitive whatever the registers say: the cascade.</param>
/// <param name="changed">Called after every register access that may change the INT output.</param>
internal sealed class InterruptController(byte alwaysLevel, Action changed) : IPortDevice
{
    private const int None = 8;

    private InitializationStep _step;
    private byte _inputs;
    private byte _requests;
    private byte _inService;
    private byte _mask;
    private byte _elcr;
    private byte _vectorBase;
    private byte _lowestPriority = 7;
    private bool _needsIcw4;
    private bool _single;
    private bool _levelTriggered;
    private bool _automaticEndOfInterrupt;
    private bool _rotateOnAutomaticEndOfInterrupt;
    private bool _specialFullyNested;
    private bool _specialMask;
    private bool _readInService;
    private bool _poll;

    private enum InitializationStep : byte
    {
        Ready,
        Icw2,
        Icw3,
        Icw4,
    }

    /// <summary>The edge/level control register of the chip set: 1 is level.</summary>
    public byte EdgeLevelControl
    {
        get => _elcr;
        set
        {
            _elcr = value;
            _requests = (byte)((_requests & ~LevelInputs) | (_inputs & LevelInputs));
        }
    }

    /// <summary>The INT output.</summary>
    public bool Interrupting => Highest() != None;

    private byte LevelInputs => (byte)(_levelTriggered ? 0xff : _elcr | alwaysLevel);

    public void Reset()
    {
        _elcr = 0;
        _vectorBase = 0;
        _step = InitializationStep.Ready;
        Initialize(0);
        _step = InitializationStep.Ready;
        // Nothing is delivered before the guest has programmed a vector base.
        _mask = 0xff;
    }

    public void SetInput(int input, bool asserted)
    {
        var bit = (byte)(1 << input);
        var rises = asserted && (_inputs & bit) == 0;
        _inputs = (byte)(asserted ? _inputs | bit : _inputs & ~bit);
        if ((LevelInputs & bit) != 0)
        {
            _requests = (byte)(asserted ? _requests | bit : _requests & ~bit);
        }
        else if (rises)
        {
            // The chip forgets an edge whose input falls before the acknowledge. A virtual processor may be held off
            // for longer than a device's pulse lasts, so the latch keeps it: a tick comes late, not never.
            _requests |= bit;
        }
    }

    /// <summary>The acknowledge cycle: the highest request becomes in-service.</summary>
    /// <returns>The level, or null when the request went away meanwhile.</returns>
    public int? Acknowledge()
    {
        var level = Highest();
        if (level == None)
        {
            return null;
        }

        var bit = (byte)(1 << level);
        if ((LevelInputs & bit) == 0)
        {
            _requests &= (byte)~bit;
        }

        if (!_automaticEndOfInterrupt)
        {
            _inService |= bit;
        }
        else if (_rotateOnAutomaticEndOfInterrupt)
        {
            _lowestPriority = (byte)level;
        }

        return level;
    }

    /// <summary>The vector of a level; a spurious interrupt is level 7 without an in-service bit.</summary>
    public byte Vector(int? level) => (byte)(_vectorBase + (level ?? 7));

    public ulong Read(uint offset, AccessWidth width)
    {
        if (_poll)
        {
            // Data sheet, "Poll Command": the read acts as the acknowledge.
            _poll = false;
            var level = Acknowledge();
            changed();
            return level is { } polled ? 0x80ul | (uint)polled : 0;
        }

        return offset == 1 ? _mask : _readInService ? _inService : _requests;
    }

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        var data = (byte)value;
        if (offset == 1)
        {
            WriteData(data);
        }
        else if ((data & 0x10) != 0)
        {
            Initialize(data);
        }
        else if ((data & 0x08) != 0)
        {
            OperationCommand3(data);
        }
        else
        {
            OperationCommand2(data);
        }

        changed();
    }

    public void Save(IStateWriter state)
    {
        state.UInt8(1, (byte)_step);
        state.UInt8(2, _inputs);
        state.UInt8(3, _requests);
        state.UInt8(4, _inService);
        state.UInt8(5, _mask);
        state.UInt8(6, _elcr);
        state.UInt8(7, _vectorBase);
        state.UInt8(8, _lowestPriority);
        var modes = 0;
        foreach (var mode in (ReadOnlySpan<bool>)[
            _needsIcw4, _single, _levelTriggered, _automaticEndOfInterrupt, _rotateOnAutomaticEndOfInterrupt,
            _specialFullyNested, _specialMask, _readInService, _poll])
        {
            modes = (modes << 1) | (mode ? 1 : 0);
        }

        state.UInt16(9, (ushort)modes);
    }

    public void Restore(IStateReader state)
    {
        _step = (InitializationStep)state.UInt8(1);
        if (_step > InitializationStep.Icw4)
        {
            throw new StateException($"8259A: initialization step {(int)_step} does not exist.");
        }

        _inputs = state.UInt8(2);
        _requests = state.UInt8(3);
        _inService = state.UInt8(4);
        _mask = state.UInt8(5, 0xff);
        _elcr = state.UInt8(6);
        _vectorBase = (byte)(state.UInt8(7) & 0xf8);
        _lowestPriority = (byte)(state.UInt8(8, 7) & 7);
        var modes = state.UInt16(9);
        _needsIcw4 = (modes & 0x100) != 0;
        _single = (modes & 0x080) != 0;
        _levelTriggered = (modes & 0x040) != 0;
        _automaticEndOfInterrupt = (modes & 0x020) != 0;
        _rotateOnAutomaticEndOfInterrupt = (modes & 0x010) != 0;
        _specialFullyNested = (modes & 0x008) != 0;
        _specialMask = (modes & 0x004) != 0;
        _readInService = (modes & 0x002) != 0;
        _poll = (modes & 0x001) != 0;
    }

    /// <summary>ICW1 and what it resets (data sheet, "Initialization Command Words").</summary>
    private void Initialize(byte icw1)
    {
        _needsIcw4 = (icw1 & 0x01) != 0;
        _single = (icw1 & 0x02) != 0;
        _levelTriggered = (icw1 & 0x08) != 0;
        _step = InitializationStep.Icw2;
        _requests = (byte)(_inputs & LevelInputs);
        _inService = 0;
        _mask = 0;
        _lowestPriority = 7;
        _automaticEndOfInterrupt = false;
        _rotateOnAutomaticEndOfInterrupt = false;
        _specialFullyNested = false;
        _specialMask = false;
        _readInService = false;
        _poll = false;
    }

    private void WriteData(byte data)
    {
        switch (_step)
        {
            case InitializationStep.Icw2:
                _vectorBase = (byte)(data & 0xf8);
                _step = !_single ? InitializationStep.Icw3 : _needsIcw4 ? InitializationStep.Icw4 : InitializationStep.Ready;
                break;
            case InitializationStep.Icw3:
                // How master and slave are wired is fixed on a PC.
                _step = _needsIcw4 ? InitializationStep.Icw4 : InitializationStep.Ready;
                break;
            case InitializationStep.Icw4:
                _automaticEndOfInterrupt = (data & 0x02) != 0;
                _specialFullyNested = (data & 0x10) != 0;
                _step = InitializationStep.Ready;
                break;
            default:
                _mask = data;
                break;
        }
    }

    /// <summary>OCW2: ends of interrupts and rotation.</summary>
    private void OperationCommand2(byte command)
    {
        var level = command & 7;
        switch (command >> 5)
        {
            case 0b000:
                _rotateOnAutomaticEndOfInterrupt = false;
                break;
            case 0b001:
                EndOfInterrupt(HighestInService(), rotate: false);
                break;
            case 0b011:
                EndOfInterrupt(level, rotate: false);
                break;
            case 0b100:
                _rotateOnAutomaticEndOfInterrupt = true;
                break;
            case 0b101:
                EndOfInterrupt(HighestInService(), rotate: true);
                break;
            case 0b110:
                _lowestPriority = (byte)level;
                break;
            case 0b111:
                EndOfInterrupt(level, rotate: true);
                break;
        }
    }

    /// <summary>OCW3: special mask mode, poll, and which register is read.</summary>
    private void OperationCommand3(byte command)
    {
        if ((command & 0x40) != 0)
        {
            _specialMask = (command & 0x20) != 0;
        }

        _poll = (command & 0x04) != 0;
        if ((command & 0x02) != 0)
        {
            _readInService = (command & 0x01) != 0;
        }
    }

    private void EndOfInterrupt(int level, bool rotate)
    {
        if (level == None)
        {
            return;
        }

        _inService &= (byte)~(1 << level);
        if (rotate)
        {
            _lowestPriority = (byte)level;
        }
    }

    /// <summary>The level that a non-specific end of interrupt means; in special mask mode masked levels are spared.</summary>
    private int HighestInService() => First((byte)(_specialMask ? _inService & ~_mask : _inService), out _);

    /// <summary>The request that goes to the processor next, or <see cref="None"/>.</summary>
    private int Highest()
    {
        if (_step != InitializationStep.Ready)
        {
            return None;
        }

        var level = First((byte)(_requests & ~_mask), out var rank);
        var blocking = _specialMask ? _inService & ~_mask : _inService;
        if (_specialFullyNested)
        {
            // The slave keeps its own order; further requests of it are let through (data sheet, "Special Fully Nested Mode").
            blocking &= ~alwaysLevel;
        }

        First((byte)blocking, out var blockingRank);
        return rank < blockingRank ? level : None;
    }

    /// <summary>The level of highest priority among some, and its rank: 0 is the highest, 8 means none.</summary>
    private int First(byte levels, out int rank)
    {
        for (rank = 0; rank < 8; rank++)
        {
            var level = (_lowestPriority + 1 + rank) & 7;
            if ((levels & (1 << level)) != 0)
            {
                return level;
            }
        }

        return None;
    }
}
