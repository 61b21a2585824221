using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Harness;

/// <summary>Time that stands where a test puts it.</summary>
internal sealed class FixedTime : ITimeSource
{
    public ulong Timestamp { get; set; } = 1_000_000;

    public ulong Frequency => 1_000_000_000;
}
