namespace Vmm.Kernel.Tests.Virtio;

/// <summary>A virtio device made of delegates; by default it keeps what it is given.</summary>
internal sealed class VirtioTestDevice : IDevice, IVirtioDevice, IStateful
{
    public VirtioIdentity Identity { get; init; } = new(DeviceType: 42, ClassCode: 0x00FF00, Features: 5, ConfigurationLength: 6, [8, 4]);

    public Func<ulong, bool> OnFeatures { get; init; } = _ => true;

    public Action<IVirtioQueue> OnNotified { get; set; } = _ => { };

    public List<string> Calls { get; } = [];

    public byte[] Configuration { get; } = [1, 2, 3, 4, 5, 6];

    public List<IVirtioChain> Taken { get; } = [];

    public void Attach() => Calls.Add("attach");

    public void Reset(ResetKind kind) => Calls.Add($"reset {kind}");

    public bool AcceptFeatures(ulong features)
    {
        Calls.Add($"features {features:x}");
        return OnFeatures(features);
    }

    public ulong ReadConfiguration(uint offset, AccessWidth width)
    {
        ulong value = 0;
        for (int i = (int)width - 1; i >= 0; i--)
        {
            value = (value << 8) | Configuration[offset + i];
        }

        return value;
    }

    public void WriteConfiguration(uint offset, AccessWidth width, ulong value) => Configuration[offset] = (byte)value;

    public void QueueReady(IVirtioQueue queue) => Calls.Add($"ready {queue.Index} of {queue.Size}");

    public void QueueNotified(IVirtioQueue queue)
    {
        Calls.Add($"notified {queue.Index}");
        OnNotified(queue);
    }

    public void QueueStopped(IVirtioQueue queue) => Calls.Add($"stopped {queue.Index}");

    /// <summary>Takes everything and works on it until the test says otherwise.</summary>
    public void Take(IVirtioQueue queue)
    {
        while (queue.TryTake(out IVirtioChain? chain))
        {
            Taken.Add(chain);
        }
    }

    public void Save(IStateWriter state) => state.UInt8(1, Configuration[0]);

    public void Restore(IStateReader state) => Configuration[0] = state.UInt8(1);
}
