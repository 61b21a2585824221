namespace Vmm.Kernel;

// Saving and restoring: only of a quiet VM.
public sealed partial class VirtualMachine
{
    private MachineState? _savedState;

    private MachineState SavedState => _savedState ??= new MachineState(this, _addressLine20, _parts);

    /// <summary>Why the VM cannot be saved, a line for each device, handler or backend in the way; empty when it can.</summary>
    public IReadOnlyList<string> SaveObstacles => SavedState.Obstacles;

    /// <summary>
    /// Runs something while the VM is quiet: processors out of their guests, device gates free, time standing still. A
    /// running VM goes on afterwards.
    /// </summary>
    /// <param name="work">What to run; not on a thread of the VM.</param>
    /// <exception cref="InvalidOperationException">The VM never ran, or has ended.</exception>
    public T WhileQuiet<T>(Func<T> work)
    {
        lock (_transition)
        {
            ResetIfRequested(); // a reset that the guest has asked for is nobody's state
            VirtualMachineState before = _state;
            if (before is not (VirtualMachineState.Running or VirtualMachineState.Paused) || _ending != 0)
            {
                throw new InvalidOperationException($"VM '{Options.Name}' is not running or paused: it has no state to look at.");
            }

            if (before == VirtualMachineState.Running)
            {
                Quiesce();
                _state = VirtualMachineState.Paused;
            }

            try
            {
                return work();
            }
            finally
            {
                if (before == VirtualMachineState.Running && _ending == 0)
                {
                    Go();
                }
            }
        }
    }

    /// <summary>Everything but the content of guest memory. The VM must be quiet: paused, or in <see cref="WhileQuiet"/>.</summary>
    /// <exception cref="StateException">The VM cannot be saved; the message lists everything in the way.</exception>
    public IReadOnlyList<StateSection> SaveState()
    {
        lock (_transition)
        {
            Require(VirtualMachineState.Paused);
            IReadOnlyList<string> obstacles = SaveObstacles;
            return obstacles.Count == 0
                ? SavedState.Save()
                : throw new StateException($"VM '{Options.Name}' cannot be saved:{Lines(obstacles)}");
        }
    }

    /// <summary>
    /// Starts the VM, paused, with the state of another one instead of at its beginning. Devices must be attached, and
    /// guest memory must have its content.
    /// </summary>
    /// <param name="sections">What <see cref="SaveState"/> gave.</param>
    /// <exception cref="StateException">The state does not belong to this machine, or is impossible. The VM cannot be used then.</exception>
    public void StartPaused(IReadOnlyList<StateSection> sections)
    {
        lock (_transition)
        {
            Require(VirtualMachineState.Created);
            IReadOnlyList<string> mismatches = SavedState.Mismatches(sections);
            if (mismatches.Count != 0)
            {
                throw new StateException($"The saved state does not fit VM '{Options.Name}':{Lines(mismatches)}");
            }

            BuildTables();
            foreach (VirtualProcessor processor in _processors)
            {
                processor.PowerOn(null);
            }

            SavedState.Restore(sections);
            _state = VirtualMachineState.Paused;
        }
    }

    private static string Lines(IEnumerable<string> lines) => string.Concat(lines.Select(line => $"{Environment.NewLine}  {line}"));
}
