using Vmm.Sdk;

namespace Vmm.Plugins.Pic8259;

/// <summary>The pair of 8259A controllers of a PC: the slave's INT output is input 2 of the master.</summary>
[DeviceModel("pic-8259", Description = "Pair of 8259A interrupt controllers with edge/level control registers")]
public sealed class Pic8259Device : DeviceModel, IInterruptController, IExternalInterruptSource
{
    private const int CascadeInput = 2;

    private readonly Pic8259Options _options;
    private readonly IDeviceContext _context;
    private readonly InterruptController _master;
    private readonly InterruptController _slave;
    private IInterruptLine? _output;

    /// <summary>Makes the pair.</summary>
    /// <param name="options">Where the controllers sit.</param>
    /// <param name="context">The host.</param>
    public Pic8259Device(Pic8259Options options, IDeviceContext context)
    {
        _options = options;
        _context = context;
        _master = new InterruptController(alwaysLevel: 1 << CascadeInput, Update);
        _slave = new InterruptController(alwaysLevel: 0, Update);
    }

    /// <inheritdoc/>
    public override void Attach()
    {
        _context.Ports.Claim("pic-master", _options.Master, 2, AccessWidths.Byte, _master);
        _context.Ports.Claim("pic-slave", _options.Slave, 2, AccessWidths.Byte, _slave);
        // Timer, keyboard, cascade, RTC and coprocessor lines cannot be level-sensitive (82371AB data sheet, ELCR1 and ELCR2).
        _context.Ports.Claim("elcr-master", _options.Elcr, 1, AccessWidths.Byte, new EdgeLevelControl(_master, 0xf8, Update));
        _context.Ports.Claim("elcr-slave", (ushort)(_options.Elcr + 1), 1, AccessWidths.Byte, new EdgeLevelControl(_slave, 0xde, Update));
        _output = _context.Interrupts.ExternalInterrupt;
        _context.Interrupts.AttachController(this);
    }

    /// <inheritdoc/>
    public override void Reset(ResetKind kind)
    {
        _master.Reset();
        _slave.Reset();
        Update();
    }

    /// <inheritdoc/>
    public void SetLine(int line, bool asserted)
    {
        if (line is < 0 or > 15 or CascadeInput)
        {
            return;
        }

        (line < 8 ? _master : _slave).SetInput(line & 7, asserted);
        Update();
    }

    /// <inheritdoc/>
    public byte Acknowledge()
    {
        var level = _master.Acknowledge();
        var vector = level == CascadeInput ? _slave.Vector(_slave.Acknowledge()) : _master.Vector(level);
        Update();
        return vector;
    }

    /// <inheritdoc/>
    public override void Save(IStateWriter state)
    {
        state.Section(1, _master.Save);
        state.Section(2, _slave.Save);
    }

    /// <inheritdoc/>
    public override void Restore(IStateReader state)
    {
        state.Section(1, _master.Restore);
        state.Section(2, _slave.Restore);
        Update();
    }

    private void Update()
    {
        _master.SetInput(CascadeInput, _slave.Interrupting);
        _output?.Set(_master.Interrupting);
    }

    private sealed class EdgeLevelControl(InterruptController controller, byte writable, Action changed) : IPortDevice
    {
        public ulong Read(uint offset, AccessWidth width) => controller.EdgeLevelControl;

        public void Write(uint offset, AccessWidth width, ulong value)
        {
            controller.EdgeLevelControl = (byte)(value & writable);
            changed();
        }
    }
}
