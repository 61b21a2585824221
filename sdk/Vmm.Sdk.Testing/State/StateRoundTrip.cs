namespace Vmm.Sdk.Testing;

/// <summary>Checks that saved state is complete enough to come back: save, restore into a fresh device, save again, compare.</summary>
public static class StateRoundTrip
{
    /// <summary>Checks the round trip. Saving twice must give the same (saving changes nothing), and so must the fresh device.</summary>
    /// <param name="device">A device in any state.</param>
    /// <param name="fresh">Another one with the same options on a board with the same time, attached and reset. It holds the state afterwards.</param>
    /// <param name="version">The state version.</param>
    /// <exception cref="StateException">The round trip loses something; the message has the differing fields.</exception>
    public static void Check(IStateful device, IStateful fresh, int version = 1)
    {
        var saved = StateRecord.Save(device, version);
        Compare(saved, StateRecord.Save(device, version), "Saving changed the device");
        saved.Restore(fresh);
        Compare(saved, StateRecord.Save(fresh, version), "The restored device saves other state");
    }

    private static void Compare(StateRecord expected, StateRecord actual, string what)
    {
        string[] before = [.. expected.Describe("")];
        string[] after = [.. actual.Describe("")];
        if (!before.SequenceEqual(after))
        {
            throw new StateException($"{what}: before [{string.Join("; ", before.Except(after))}], after [{string.Join("; ", after.Except(before))}].");
        }
    }
}
