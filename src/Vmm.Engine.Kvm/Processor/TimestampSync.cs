namespace Vmm.Engine.Kvm.Processor;

/// <summary>Keeps a processor's time-stamp counter at the time source plus the TSC offset of the VMCS, where KVM lets us.</summary>
internal sealed class TimestampSync(ITimestampCounter counter, TimestampBase shared)
{
    private ulong _offset;
    private long _version;

    /// <summary>Times that the counter was set.</summary>
    public long SetCount { get; private set; }

    /// <summary>Sets the counter unless it is right already.</summary>
    /// <returns>Whether it had to be set.</returns>
    public bool Apply(ulong offset)
    {
        if (counter.Control == TimestampControl.None)
        {
            return false;
        }

        shared.Follow(counter);
        long version = shared.Version;
        if (version == _version && offset == _offset)
        {
            return false;
        }

        if (counter.Control == TimestampControl.Offset)
        {
            counter.Offset = shared.Value + offset;
        }
        else
        {
            counter.Value = shared.Expected + offset;
        }

        (_offset, _version) = (offset, version);
        SetCount++;
        return true;
    }
}
