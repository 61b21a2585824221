using System.Collections.Concurrent;

namespace Vmm.Sdk.Testing;

/// <summary>
/// A board for tests of one or several devices: everything that a device can ask the host for, recorded and
/// inspectable. Pass the board itself as the <see cref="IDeviceContext"/>. Nothing happens by itself: time moves with
/// <see cref="FakeClock.Advance"/>, posted work runs with <see cref="RunPosted"/>.
/// </summary>
public sealed class FakeBoard : IDeviceContext, IBoard, IFirmwareFiles
{
    private readonly BlockingCollection<Action> _posted = [];

    /// <summary>The I/O ports; the test accesses them as the guest would.</summary>
    public FakePortSpace Ports { get; } = new();

    /// <summary>The memory-mapped registers; the test accesses them as the guest would.</summary>
    public FakeMmioSpace Mmio { get; } = new();

    /// <summary>Interrupt lines and messages, recorded.</summary>
    public FakeInterrupts Interrupts { get; } = new();

    /// <summary>The clock, which moves when told.</summary>
    public FakeClock Clock { get; } = new();

    /// <summary>Guest memory: 16 MiB from address 0 unless replaced by an initializer.</summary>
    public FakeGuestMemory Memory { get; init; } = new(16 << 20);

    /// <summary>Messages of the device.</summary>
    public FakeLog Log { get; } = new();

    /// <summary>Power and reset, recorded.</summary>
    public FakePowerControl Power { get; } = new();

    /// <summary>The A20 gate.</summary>
    public FakeAddressLine20 AddressLine20 { get; } = new();

    /// <summary>The FERR# pin of the processors.</summary>
    public FakeFloatingPointErrorPin FloatingPointErrorPin { get; } = new();

    /// <summary>The shadow RAM, recorded.</summary>
    public FakeShadowMemory Shadow { get; } = new();

    /// <summary>A character channel with both directions in the hands of the test.</summary>
    public FakeCharacterChannel Channel { get; } = new();

    /// <inheritdoc/>
    public string Name { get; init; } = "device-under-test";

    /// <inheritdoc/>
    public ulong LowMemoryBytes { get; init; } = 512ul << 20;

    /// <inheritdoc/>
    public ulong HighMemoryBytes { get; init; }

    /// <inheritdoc/>
    public int ProcessorCount { get; init; } = 1;

    /// <inheritdoc/>
    public IReadOnlyList<FirmwareFile> Files { get; init; } = [];

    IPortSpace IDeviceContext.Ports => Ports;

    IMmioSpace IDeviceContext.Mmio => Mmio;

    IInterruptFabric IDeviceContext.Interrupts => Interrupts;

    IVirtualClock IDeviceContext.Clock => Clock;

    IGuestMemory IDeviceContext.Memory => Memory;

    IDeviceLog IDeviceContext.Log => Log;

    /// <inheritdoc/>
    public void Post(Action work) => _posted.Add(work);

    /// <summary>Attaches a device and resets it with <see cref="ResetKind.PowerOn"/>, as the host does.</summary>
    /// <typeparam name="T">The device type.</typeparam>
    /// <param name="device">The device.</param>
    /// <returns>The device.</returns>
    public T Start<T>(T device)
        where T : IDevice
    {
        device.Attach();
        device.Reset(ResetKind.PowerOn);
        return device;
    }

    /// <summary>Runs all work that was posted until now, and what that work posts, on the calling thread.</summary>
    /// <returns>How many items ran.</returns>
    public int RunPosted()
    {
        var count = 0;
        while (_posted.TryTake(out var work))
        {
            work();
            count++;
        }

        return count;
    }

    /// <summary>Runs posted work as it comes until a condition holds; for devices whose work finishes on other threads.</summary>
    /// <param name="condition">What to wait for; looked at after each item.</param>
    /// <param name="deadline">How long to wait at most.</param>
    /// <returns>Whether the condition holds.</returns>
    public bool RunPostedUntil(Func<bool> condition, TimeSpan deadline)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            var left = deadline - TimeProvider.System.GetElapsedTime(started);
            if (left <= TimeSpan.Zero || !_posted.TryTake(out var work, left))
            {
                return condition();
            }

            work();
        }

        return true;
    }
}
