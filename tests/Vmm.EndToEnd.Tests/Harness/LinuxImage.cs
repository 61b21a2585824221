using Vmm.Machine;
using Vmm.Machine.Images;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>The ready-made Linux of <c>vmm run linux</c>, fetched into the user's cache when it is not there.</summary>
internal static class LinuxImage
{
    private static readonly Lazy<(MachineImage? Image, string? Problem)> Fetched = new(Fetch);

    /// <summary>Why there is none on this host, or null.</summary>
    public static string? Problem => Fetched.Value.Problem;

    /// <summary>The image.</summary>
    public static MachineImage Image => Fetched.Value.Image ?? throw new InvalidOperationException(Problem);

    private static (MachineImage? Image, string? Problem) Fetch()
    {
        try
        {
            using CancellationTokenSource deadline = new(TimeSpan.FromMinutes(5));
            return (Task.Run(() => ImageCache.OfUser().GetAsync(ImageCache.Linux, new Progress<ImageProgress>(), refresh: false, deadline.Token)).Result, null);
        }
        catch (AggregateException e) when (e.InnerException is MachineException or OperationCanceledException)
        {
            return (null, $"There is no Linux to boot: {e.InnerException.Message}");
        }
    }
}
