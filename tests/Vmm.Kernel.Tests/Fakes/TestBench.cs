using System.Collections.Concurrent;

namespace Vmm.Kernel.Tests;

/// <summary>A VM on the fake engine, with what tests need around it.</summary>
internal sealed class TestBench : IDisposable
{
    public TestBench(VirtualMachineOptions? options = null, CpuPool? pool = null, TimeProvider? time = null, bool engineApics = false)
    {
        Engine = new FakeEngine { OffersLocalApics = engineApics };
        Log = new RecordingLog();
        Pool = pool ?? new CpuPool("test pool", options?.ProcessorCount ?? 1, Log);
        Memory = new GuestMemory();
        Memory.AddRam("ram", 0, 1 << 20);
        Machine = new VirtualMachine(options ?? new VirtualMachineOptions { Name = "test" }, Engine, Pool, Memory, Log, time);
    }

    public FakeEngine Engine { get; }

    public RecordingLog Log { get; }

    public CpuPool Pool { get; }

    public GuestMemory Memory { get; }

    public VirtualMachine Machine { get; }

    public FakeProcessor Processor => Engine.Machines[0].Processors[0];

    public DeviceContext AddDevice(string name, Func<DeviceContext, IDevice> make)
    {
        DeviceContext context = Machine.CreateDeviceContext(name);
        Machine.AddDevice(name, "test-device", make(context), context);
        return context;
    }

    public VmOutcome WaitForEnd()
    {
        Assert.True(Machine.Completion.Wait(TimeSpan.FromSeconds(20)), "The VM did not end in time.");
        return Machine.Completion.Result;
    }

    public void Dispose()
    {
        Machine.Dispose();
        Pool.Dispose();
    }
}

internal sealed class RecordingLog : IHostLog
{
    public ConcurrentQueue<(DeviceLogLevel Level, string Source, string Message)> Messages { get; } = new();

    public void Write(DeviceLogLevel level, string source, string message) => Messages.Enqueue((level, source, message));
}

/// <summary>A device made of delegates.</summary>
internal sealed class TestDevice : IDevice, IPortDevice, IMmioDevice
{
    public Action? OnAttach { get; init; }

    public Action<ResetKind>? OnReset { get; init; }

    public Func<ulong, AccessWidth, ulong> OnRead { get; init; } = (_, _) => 0;

    public Action<ulong, AccessWidth, ulong>? OnWrite { get; init; }

    public List<string> Accesses { get; } = [];

    public void Attach() => OnAttach?.Invoke();

    public void Reset(ResetKind kind) => OnReset?.Invoke(kind);

    public ulong Read(uint offset, AccessWidth width) => Read((ulong)offset, width);

    public void Write(uint offset, AccessWidth width, ulong value) => Write((ulong)offset, width, value);

    public ulong Read(ulong offset, AccessWidth width)
    {
        Accesses.Add($"r{(int)width}@{offset:x}");
        return OnRead(offset, width);
    }

    public void Write(ulong offset, AccessWidth width, ulong value)
    {
        Accesses.Add($"w{(int)width}@{offset:x}={value:x}");
        OnWrite?.Invoke(offset, width, value);
    }
}

/// <summary>Host time that tests move.</summary>
internal sealed class ManualTime : TimeProvider
{
    private long _now;

    public override long TimestampFrequency => 1_000_000_000;

    public override long GetTimestamp() => Volatile.Read(ref _now);

    public void Advance(long nanoseconds) => Interlocked.Add(ref _now, nanoseconds);
}
