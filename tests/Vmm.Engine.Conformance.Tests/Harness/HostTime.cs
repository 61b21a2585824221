using System.Diagnostics;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>The host's monotonic time as a counter of 1 GHz.</summary>
internal sealed class HostTime : ITimeSource
{
    public ulong Timestamp => (ulong)(Stopwatch.GetTimestamp() * (1_000_000_000.0 / Stopwatch.Frequency));

    public ulong Frequency => 1_000_000_000;
}
