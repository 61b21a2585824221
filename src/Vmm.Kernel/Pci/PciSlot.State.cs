namespace Vmm.Kernel;

// The state of a function: what the guest wrote to its configuration space, its pin, its messages.
public sealed partial class PciSlot
{
    /// <summary>The part of configuration space that exists: there are no extended capabilities.</summary>
    private const int SavedLength = 256;

    internal void Save(IStateWriter state)
    {
        lock (_lock)
        {
            state.Bytes((int)PciFunctionField.ConfigurationSpace, _space.AsSpan(0, SavedLength));
            state.UInt8((int)PciFunctionField.PinAsserted, (byte)(_pin.Asserted ? 1 : 0));
            if (_msiX is { } msiX)
            {
                state.Section((int)PciFunctionField.MsiX, msiX.Save);
            }
        }
    }

    /// <summary>Sets the state and moves the claims to where the base-address registers say.</summary>
    /// <exception cref="StateException">It is the state of another function.</exception>
    internal void Restore(IStateReader state)
    {
        Span<byte> saved = stackalloc byte[SavedLength];
        if (!state.Bytes((int)PciFunctionField.ConfigurationSpace, saved))
        {
            throw new StateException("the configuration space is missing.");
        }

        lock (_lock)
        {
            bool asserted = state.UInt8((int)PciFunctionField.PinAsserted) != 0;
            _pin.Restore(asserted);
            SetInterruptStatus(asserted);
            for (int offset = 0; offset < SavedLength; offset++)
            {
                byte mask = _writable[offset];
                if ((saved[offset] & ~mask) != (_space[offset] & ~mask))
                {
                    throw new StateException($"byte 0x{offset:x} of the configuration space is 0x{saved[offset]:x2}, and here 0x{_space[offset]:x2}: it is another device.");
                }

                _space[offset] = saved[offset];
            }

            Apply(0, SavedLength);
            if (_msiX is { } msiX && !state.Section((int)PciFunctionField.MsiX, msiX.Restore))
            {
                throw new StateException("the MSI-X table is missing.");
            }
        }
    }
}
