namespace Vmm.Kernel;

/// <summary>The clock as one device sees it: its timers run under its gate.</summary>
internal sealed class DeviceClock(VirtualClock clock, DeviceInstance owner) : IVirtualClock
{
    public long NowNanoseconds => clock.NowNanoseconds;

    public long WallClockNanoseconds => clock.WallClockNanoseconds;

    public IVirtualTimer CreateTimer(string name, Action expired) => clock.CreateTimer(owner, expired);
}
