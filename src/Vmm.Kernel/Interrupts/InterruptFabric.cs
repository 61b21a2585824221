namespace Vmm.Kernel;

/// <summary>
/// The wires between devices, interrupt controllers and processors. Lines are the or of their sources; messages go to
/// the local APICs.
/// </summary>
/// <remarks>
/// Lock order: gate of a device, lock of a line, gate of a controller, then the local APICs, which take no lock. A
/// controller never changes a numbered line.
/// </remarks>
public sealed class InterruptFabric
{
    /// <summary>Numbered lines of a VM.</summary>
    public const int LineCount = 1024;

    private readonly Lock _change = new();
    private readonly SharedLine?[] _lines = new SharedLine?[LineCount];
    private volatile AttachedController[] _controllers = [];
    private volatile AttachedController? _externalSource;

    internal InterruptFabric()
    {
        ExternalInterrupt = new SharedLine(_ =>
        {
            if (!Held)
            {
                ExternalInterruptChanged?.Invoke();
            }
        });
        NonMaskableInterrupt = new SharedLine(asserted =>
        {
            if (asserted && !Held)
            {
                NonMaskableInterruptRaised?.Invoke();
            }
        });
    }

    /// <summary>Takes decoded messages: the local APICs.</summary>
    internal Action<InterruptMessage>? Deliver { get; set; }

    /// <summary>
    /// Set while a VM is restored: what devices drive then was seen by controllers and processors before it was saved,
    /// so that it must not reach them again.
    /// </summary>
    internal bool Held { get; set; }

    /// <summary>
    /// Whether the VM is quiet: the local APICs' registers are in the kernel then, also those of an engine's, and so are
    /// messages to deliver.
    /// </summary>
    internal bool IsQuiet { get; set; } = true;

    /// <summary>Raised when INTR of the 8259A changed.</summary>
    internal event Action? ExternalInterruptChanged;

    /// <summary>Raised at each rising edge of the NMI line.</summary>
    internal event Action? NonMaskableInterruptRaised;

    /// <summary>INTR of the 8259A pair.</summary>
    internal SharedLine ExternalInterrupt { get; }

    /// <summary>The NMI line.</summary>
    internal SharedLine NonMaskableInterrupt { get; }

    /// <summary>Sends a message-signalled interrupt.</summary>
    /// <param name="address">Message address.</param>
    /// <param name="data">Message data.</param>
    public void SendMessage(ulong address, uint data)
    {
        if (!Held && InterruptMessage.TryDecode(address, data, out InterruptMessage message))
        {
            Deliver?.Invoke(message);
        }
    }

    internal IExclusiveInterruptLine Line(int line, string source = "")
    {
        ArgumentOutOfRangeException.ThrowIfNegative(line);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(line, LineCount);
        lock (_change)
        {
            SharedLine shared = _lines[line] ??= new SharedLine(asserted => Report(line, asserted));
            return shared.AddSource(source);
        }
    }

    internal void Attach(DeviceInstance owner, IInterruptController controller)
    {
        var attached = new AttachedController(owner, controller);
        lock (_change)
        {
            _controllers = [.. _controllers, attached];
            if (controller is IExternalInterruptSource)
            {
                _externalSource = attached;
            }

            for (int line = 0; line < LineCount; line++)
            {
                if (_lines[line] is { Asserted: true })
                {
                    attached.SetLine(line, asserted: true);
                }
            }
        }
    }

    /// <summary>The acknowledge cycle of the 8259A pair.</summary>
    /// <returns>The vector, or null when no controller hands out vectors.</returns>
    internal byte? AcknowledgeExternal() => _externalSource?.Acknowledge();

    /// <summary>Tells the I/O APICs that a level-triggered interrupt was finished.</summary>
    internal void EndOfInterrupt(byte vector)
    {
        foreach (AttachedController controller in _controllers)
        {
            controller.EndOfInterrupt(vector);
        }
    }

    /// <summary>The lines that any source drives, by number; then INTR and NMI under numbers of their own.</summary>
    internal IEnumerable<(int Number, SharedLine Line)> Lines =>
        [.. Enumerable.Range(0, LineCount).Where(n => _lines[n] is not null).Select(n => (n, _lines[n]!)),
            (LineCount, ExternalInterrupt), (LineCount + 1, NonMaskableInterrupt)];

    private void Report(int line, bool asserted)
    {
        if (Held)
        {
            return;
        }

        foreach (AttachedController controller in _controllers)
        {
            controller.SetLine(line, asserted);
        }
    }
}
