using Vmm.Machine;
using Vmm.Machine.Images;

namespace Vmm.Benchmarks.Peers;

/// <summary>The ready-made Linux of <c>vmm run linux</c>.</summary>
internal static class LinuxImage
{
    /// <summary>The image, fetched when it is not in the cache.</summary>
    public static MachineImage Get()
    {
        try
        {
            return Task.Run(() => ImageCache.OfUser().GetAsync(ImageCache.Linux, new Progress<ImageProgress>(), refresh: false, CancellationToken.None)).GetAwaiter().GetResult();
        }
        catch (MachineException e)
        {
            throw new BenchmarkException(e.Message);
        }
    }
}
