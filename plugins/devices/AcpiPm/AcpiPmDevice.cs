using Vmm.Sdk;

namespace Vmm.Plugins.AcpiPm;

/// <summary>The fixed hardware of ACPI (ACPI 6.5, 4.8): PM1 events and control, PM timer, general-purpose events, SCI.</summary>
[DeviceModel("acpi-pm", Description = "ACPI power management: PM timer, events, soft-off")]
public sealed class AcpiPmDevice : DeviceModel
{
    private const ushort TimerStatus = 1 << 0;

    /// <summary>TMR_EN, GBL_EN, PWRBTN_EN, SLPBTN_EN and RTC_EN (ACPI 6.5, table 4.14).</summary>
    private const ushort Pm1Enables = 0x0721;

    private readonly AcpiPmOptions _options;
    private readonly IDeviceContext _context;
    private readonly PowerManagementTimer _timer;
    private readonly EventRegisters _pm1;
    private readonly EventRegisters _gpe0;
    private readonly Pm1Control _control;
    private readonly IVirtualTimer _toggle;
    private IInterruptLine? _sci;
    private ulong _seenToggles;

    public AcpiPmDevice(AcpiPmOptions options, IDeviceContext context, IPowerControl power)
    {
        _options = options;
        _context = context;
        _timer = new PowerManagementTimer(context.Clock, options.WideTimer);
        _pm1 = new EventRegisters(Pm1Enables, Refresh);
        _gpe0 = new EventRegisters(0xffff, Refresh);
        _control = new Pm1Control(power);
        _toggle = context.Clock.CreateTimer("pm-timer-toggle", Refresh);
    }

    public override void Attach()
    {
        const AccessWidths Registers = AccessWidths.Byte | AccessWidths.Word;
        _sci = _context.Interrupts.Line("sci", _options.Sci);
        _context.Ports.Claim("pm1-event", _options.EventPort, 4, Registers, _pm1);
        _context.Ports.Claim("pm1-control", _options.ControlPort, 2, Registers, _control);
        _context.Ports.Claim("pm-timer", _options.TimerPort, 4, AccessWidths.AnyPort, _timer);
        _context.Ports.Claim("gpe0", _options.GpePort, 4, Registers, _gpe0);
    }

    public override void Reset(ResetKind kind)
    {
        _pm1.Clear();
        _gpe0.Clear();
        _control.Value = 0;
        _seenToggles = _timer.Toggles;
        Refresh();
    }

    public override void Save(IStateWriter state)
    {
        state.Section(1, _pm1.Save);
        state.Section(2, _gpe0.Save);
        state.UInt16(3, _control.Value);
        state.UInt64(4, _seenToggles);
    }

    public override void Restore(IStateReader state)
    {
        state.Section(1, _pm1.Restore);
        state.Section(2, _gpe0.Restore);
        _control.Value = state.UInt16(3);
        _seenToggles = state.UInt64(4);
        Refresh();
    }

    /// <summary>Brings TMR_STS up to date, drives the SCI, and waits for the next toggle while it would interrupt.</summary>
    private void Refresh()
    {
        ulong toggles = _timer.Toggles;
        if (toggles != _seenToggles)
        {
            _seenToggles = toggles;
            _pm1.Status |= TimerStatus;
        }

        _sci?.Set(_pm1.Pending || _gpe0.Pending);

        if ((_pm1.Enable & TimerStatus) != 0)
        {
            _toggle.Arm(_timer.NextToggle);
        }
        else
        {
            _toggle.Cancel();
        }
    }
}
