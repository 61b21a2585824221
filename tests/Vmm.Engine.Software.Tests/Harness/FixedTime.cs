using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Harness;

/// <summary>Time that stands where a test puts it.</summary>
internal sealed class FixedTime : ITimeSource
{
    /// <summary>How far each look at the clock moves it.</summary>
    public ulong Step { get; set; }

    public ulong Timestamp
    {
        get => field += Step;
        set;
    }
    = 1_000_000;

    public ulong Frequency => 1_000_000_000;
}
