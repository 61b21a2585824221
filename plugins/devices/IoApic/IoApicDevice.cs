using Vmm.Sdk;

namespace Vmm.Plugins.IoApic;

/// <summary>
/// An I/O APIC (82093AA data sheet, with the EOI register of version 0x20). Line 0 arrives at pin 2, as ACPI tables of
/// PCs say; line 2 is the cascade of the 8259A pair and arrives nowhere. Polarity is kept for the guest to read:
/// lines here are asserted or not, whatever the voltage would be.
/// </summary>
[DeviceModel("ioapic", Description = "I/O APIC with 24 pins and EOI register")]
public sealed class IoApicDevice : DeviceModel, IMmioDevice, IInterruptController, IEndOfInterruptListener
{
    private const int Pins = 24;
    private const uint Version = 0x20;
    private const int TimerLine = 0;
    private const int TimerPin = 2;

    private const ulong SelectOffset = 0x00;
    private const ulong WindowOffset = 0x10;
    private const ulong EndOfInterruptOffset = 0x40;

    private const byte IdRegister = 0x00;
    private const byte VersionRegister = 0x01;
    private const byte ArbitrationRegister = 0x02;
    private const byte RedirectionTable = 0x10;

    private readonly IoApicOptions _options;
    private readonly IDeviceContext _context;
    private readonly RedirectionEntry[] _entries = new RedirectionEntry[Pins];
    private uint _inputs;
    private byte _selected;
    private byte _id;

    /// <summary>Makes an I/O APIC.</summary>
    /// <param name="options">Where it sits.</param>
    /// <param name="context">The host.</param>
    public IoApicDevice(IoApicOptions options, IDeviceContext context)
    {
        _options = options;
        _context = context;
    }

    /// <inheritdoc/>
    public override void Attach()
    {
        _context.Mmio.Claim("ioapic", _options.Address, 0x1000, AccessWidths.DoubleWord, this);
        _context.Interrupts.AttachController(this);
    }

    /// <inheritdoc/>
    public override void Reset(ResetKind kind)
    {
        _selected = 0;
        _id = _options.Id;
        Array.Fill(_entries, RedirectionEntry.AfterReset);
    }

    /// <inheritdoc/>
    public void SetLine(int line, bool asserted)
    {
        if (line is < 0 or >= Pins or TimerPin)
        {
            return;
        }

        var pin = line == TimerLine ? TimerPin : line;
        var bit = 1u << pin;
        var rises = asserted && (_inputs & bit) == 0;
        _inputs = asserted ? _inputs | bit : _inputs & ~bit;
        ref var entry = ref _entries[pin];
        if (entry.LevelTriggered)
        {
            DeliverLevel(pin);
        }
        else if (rises && !entry.Masked)
        {
            // An edge on a masked pin is lost (data sheet, 3.2.4, "Interrupt Mask").
            _context.Interrupts.SendMessage(entry.MessageAddress, entry.MessageData);
        }
    }

    /// <inheritdoc/>
    public void EndOfInterrupt(byte vector)
    {
        for (var pin = 0; pin < Pins; pin++)
        {
            if (_entries[pin].RemoteIrr && _entries[pin].Vector == vector)
            {
                _entries[pin].RemoteIrr = false;
                DeliverLevel(pin);
            }
        }
    }

    /// <inheritdoc/>
    public ulong Read(ulong offset, AccessWidth width) => offset switch
    {
        SelectOffset => _selected,
        WindowOffset => ReadSelected(),
        _ => 0,
    };

    /// <inheritdoc/>
    public void Write(ulong offset, AccessWidth width, ulong value)
    {
        switch (offset)
        {
            case SelectOffset:
                _selected = (byte)value;
                break;
            case WindowOffset:
                WriteSelected((uint)value);
                break;
            case EndOfInterruptOffset:
                EndOfInterrupt((byte)value);
                break;
        }
    }

    /// <inheritdoc/>
    public override void Save(IStateWriter state)
    {
        state.UInt8(1, _selected);
        state.UInt8(2, _id);
        state.UInt32(3, _inputs);
        for (var pin = 0; pin < Pins; pin++)
        {
            state.UInt64(16 + pin, _entries[pin].Value);
        }
    }

    /// <inheritdoc/>
    public override void Restore(IStateReader state)
    {
        _selected = state.UInt8(1);
        _id = (byte)(state.UInt8(2) & 0x0f);
        _inputs = state.UInt32(3) & ((1u << Pins) - 1);
        for (var pin = 0; pin < Pins; pin++)
        {
            _entries[pin] = RedirectionEntry.FromState(state.UInt64(16 + pin, RedirectionEntry.AfterReset.Value));
        }
    }

    private uint ReadSelected()
    {
        if (SelectedPin(out var high) is { } pin)
        {
            return (uint)(high ? _entries[pin].Value >> 32 : _entries[pin].Value);
        }

        return _selected switch
        {
            IdRegister or ArbitrationRegister => (uint)_id << 24,
            VersionRegister => Version | ((Pins - 1) << 16),
            _ => 0,
        };
    }

    private void WriteSelected(uint value)
    {
        if (SelectedPin(out var high) is not { } pin)
        {
            if (_selected == IdRegister)
            {
                _id = (byte)((value >> 24) & 0x0f);
            }
        }
        else if (high)
        {
            _entries[pin].WriteHigh(value);
        }
        else
        {
            _entries[pin].WriteLow(value);
            DeliverLevel(pin);
        }
    }

    private int? SelectedPin(out bool high)
    {
        high = (_selected & 1) != 0;
        var pin = (_selected - RedirectionTable) >> 1;
        return _selected >= RedirectionTable && pin < Pins ? pin : null;
    }

    /// <summary>Sends a level-triggered interrupt when its line is asserted and the previous one has ended.</summary>
    private void DeliverLevel(int pin)
    {
        ref var entry = ref _entries[pin];
        if (entry.LevelTriggered && !entry.Masked && !entry.RemoteIrr && (_inputs & (1u << pin)) != 0)
        {
            entry.RemoteIrr = true;
            _context.Interrupts.SendMessage(entry.MessageAddress, entry.MessageData);
        }
    }
}
