namespace Vmm.Sdk.Testing;

/// <summary>Interrupt lines and messages of the fake board. Several sources on one line are combined as on the real one.</summary>
public sealed class FakeInterrupts : IInterruptFabric
{
    private readonly Lock _lock = new();
    private readonly Dictionary<int, FakeLine> _lines = [];
    private readonly List<IInterruptController> _controllers = [];
    private readonly List<InterruptMessage> _messages = [];

    /// <summary>The INTR output of the 8259A pair.</summary>
    public FakeLine ExternalInterrupt { get; } = new("INTR");

    /// <summary>The NMI line.</summary>
    public FakeLine NonMaskableInterrupt { get; } = new("NMI");

    IInterruptLine IInterruptFabric.ExternalInterrupt => ExternalInterrupt.Source();

    IInterruptLine IInterruptFabric.NonMaskableInterrupt => NonMaskableInterrupt.Source();

    /// <summary>The message-signalled interrupts that were sent, oldest first.</summary>
    public IReadOnlyList<InterruptMessage> Messages
    {
        get
        {
            lock (_lock)
            {
                return [.. _messages];
            }
        }
    }

    /// <summary>Forgets the recorded messages.</summary>
    public void ClearMessages()
    {
        lock (_lock)
        {
            _messages.Clear();
        }
    }

    /// <summary>A line by its number, for inspection or to drive it as another device would.</summary>
    /// <param name="line">Line number, 0 to 1023.</param>
    public FakeLine this[int line]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(line);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(line, 1023);
            lock (_lock)
            {
                if (!_lines.TryGetValue(line, out var found))
                {
                    found = new FakeLine($"line {line}");
                    found.Changed += asserted =>
                    {
                        foreach (var controller in _controllers.ToArray())
                        {
                            controller.SetLine(line, asserted);
                        }
                    };
                    _lines.Add(line, found);
                }

                return found;
            }
        }
    }

    /// <inheritdoc/>
    public IInterruptLine Line(string name, int line) => this[line].Source();

    /// <inheritdoc/>
    public IExclusiveInterruptLine ExclusiveLine(string name, int line) => this[line].ExclusiveSource();

    /// <inheritdoc/>
    public void SendMessage(ulong address, uint data)
    {
        lock (_lock)
        {
            _messages.Add(new InterruptMessage(address, data));
        }
    }

    /// <inheritdoc/>
    public void AttachController(IInterruptController controller)
    {
        ArgumentNullException.ThrowIfNull(controller);
        _controllers.Add(controller);
        foreach (var (number, line) in _lines.ToArray())
        {
            if (line.Asserted)
            {
                controller.SetLine(number, true);
            }
        }
    }

    /// <summary>Acknowledges as the bootstrap processor does: asks the attached 8259A pair for a vector.</summary>
    /// <returns>The vector.</returns>
    /// <exception cref="InvalidOperationException">No attached controller hands out vectors.</exception>
    public byte Acknowledge() =>
        _controllers.OfType<IExternalInterruptSource>().FirstOrDefault()?.Acknowledge()
        ?? throw new InvalidOperationException("No controller that hands out vectors is attached.");

    /// <summary>Tells the attached controllers that a local APIC finished a level-triggered interrupt.</summary>
    /// <param name="vector">The vector.</param>
    public void EndOfInterrupt(byte vector)
    {
        foreach (var listener in _controllers.OfType<IEndOfInterruptListener>().ToArray())
        {
            listener.EndOfInterrupt(vector);
        }
    }
}

/// <summary>A message-signalled interrupt.</summary>
/// <param name="Address">Message address.</param>
/// <param name="Data">Message data.</param>
public readonly record struct InterruptMessage(ulong Address, uint Data)
{
    /// <summary>The vector in the data.</summary>
    public byte Vector => (byte)Data;
}
