using System.Security.Cryptography;
using Vmm.Sdk;

namespace Vmm.Plugins.VirtioRng;

/// <summary>Entropy device (VIRTIO 1.2, 5.4): fills what the driver offers with random bytes of the host.</summary>
[DeviceModel("virtio-rng", Description = "Entropy from the host, behind /dev/hwrng")]
public sealed class VirtioRngDevice : VirtioDeviceModel
{
    private const int QueueSize = 64;

    /// <summary>Most bytes for one chain, so that no request keeps the guest's processor long.</summary>
    private const int MostBytes = 64 * 1024;

    public override VirtioIdentity Identity { get; } = new(DeviceType: 4, ClassCode: 0x00FF00, Features: 0, ConfigurationLength: 0, [QueueSize]);

    public override void QueueNotified(IVirtioQueue queue)
    {
        while (queue.TryTake(out IVirtioChain? chain))
        {
            int left = MostBytes;
            foreach (Memory<byte> part in chain.Writable)
            {
                Span<byte> bytes = part.Span[..Math.Min(part.Length, left)];
                RandomNumberGenerator.Fill(bytes);
                left -= bytes.Length;
            }

            chain.Complete((uint)(MostBytes - left));
        }
    }
}
