using System.Diagnostics;
using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Engine.Kvm;
using Vmm.Engine.Kvm.Interop;
using Vmm.Kernel;
using Vmm.Sdk;
using Vmm.Vmx;

namespace Vmm.Benchmarks.Kvm;

/// <summary>
/// The cost of an exit on KVM to a port device and back, in three parts: the host kernel's, the transition into it, and
/// ours. Ours is measured by letting the engine handle the same exit again and again with a system call that does nothing
/// in place of KVM_RUN; the transition is that system call alone.
/// </summary>
internal static class KvmExitBenchmark
{
    private const int Rounds = 3;

    public static void Run()
    {
        try
        {
            using KvmEngine engine = KvmEngine.Open();
            Measure(engine);
        }
        catch (KvmException e)
        {
            Console.WriteLine($"left out: {e.Message}");
        }
    }

    private static void Measure(KvmEngine engine)
    {
        double transition = double.MaxValue, own = double.MaxValue, whole = double.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            using var bench = new Bench(engine);
            bench.RunToEnd();
            own = Math.Min(own, bench.Device.OwnNanoseconds);
            whole = Math.Min(whole, bench.Device.WholeNanoseconds);
            transition = Math.Min(transition, bench.Device.TransitionNanoseconds);
        }

        Console.WriteLine($"whole exit    {whole,10:F0} ns  {(engine.RunsOnHardware ? "" : "(this host's KVM emulates the guest's instructions)")}");
        Console.WriteLine($"  kernel      {whole - own,10:F0} ns  KVM_RUN less the transition");
        Console.WriteLine($"  transition  {transition,10:F0} ns  P/Invoke and an empty system call");
        Console.WriteLine($"  ours        {own - transition,10:F0} ns  engine, kernel and device gate");
    }

    private sealed class Bench : IDisposable
    {
        private readonly CpuPool _pool = new("benchmark", 1, new SilentLog());
        private readonly VirtualMachine _machine;

        public Bench(KvmEngine engine)
        {
            var observed = new ObservedEngine(engine);
            var memory = new GuestMemory();
            memory.AddRam("ram", 0, 1 << 20);
            _machine = new VirtualMachine(new VirtualMachineOptions { Name = "benchmark" }, observed, _pool, memory, new SilentLog());
            DeviceContext context = _machine.CreateDeviceContext("port");
            Device = new PortDevice(context, () => observed.Processor!);
            _machine.AddDevice("port", "port", Device, context);
            _machine.AttachDevices();
            byte[] code = [0xE6, PortDevice.Port, 0xEB, 0xFC]; // l: out port, al; jmp l
            _machine.Boot = _ =>
            {
                memory.TryLoad(GuestLayout.Code, code);
                _machine.SetProcessorState(0, GuestLayout.Start(GuestMode.Real, engine.Capabilities));
            };
        }

        public PortDevice Device { get; }

        public void RunToEnd()
        {
            _machine.Start();
            Device.Ended.Wait();
            _machine.Stop();
            if (_machine.Completion.Result is VmOutcome.Faulted fault)
            {
                throw new InvalidOperationException(fault.Message);
            }
        }

        public void Dispose()
        {
            _machine.Dispose();
            _pool.Dispose();
        }
    }

    /// <summary>
    /// The device, which also drives the measurement: it is called at every exit. Exits are timed in short batches and the
    /// best batch counts: it is the one in which nobody else had the host's processor.
    /// </summary>
    private sealed class PortDevice(IDeviceContext context, Func<KvmProcessor> processor) : IDevice, IPortDevice
    {
        public const byte Port = 0x80;
        private const int WarmUp = 500, WholeBatch = 10, WholeBatches = 300, OwnBatch = 250, OwnBatches = 4_000;
        private Phase _phase;
        private int _batch;
        private int _left;
        private long _start;

        public ManualResetEventSlim Ended { get; } = new();

        public double WholeNanoseconds { get; private set; } = double.MaxValue;

        public double OwnNanoseconds { get; private set; } = double.MaxValue;

        public double TransitionNanoseconds { get; private set; } = double.MaxValue;

        public void Attach() => context.Ports.Claim("port", Port, 1, AccessWidths.Byte, this);

        public void Reset(ResetKind kind) => (_phase, _batch, _left) = (Phase.WarmUp, 1, WarmUp);

        public ulong Read(uint offset, AccessWidth width) => 0;

        public void Write(uint offset, AccessWidth width, ulong value)
        {
            if (--_left > 0)
            {
                return;
            }

            double elapsed = Stopwatch.GetElapsedTime(_start).TotalNanoseconds;
            switch (_phase)
            {
                case Phase.Whole:
                    WholeNanoseconds = Math.Min(WholeNanoseconds, elapsed / WholeBatch);
                    break;
                case Phase.Own:
                    OwnNanoseconds = Math.Min(OwnNanoseconds, elapsed / OwnBatch);
                    break;
            }

            if (--_batch == 0)
            {
                NextPhase();
            }

            _left = _phase == Phase.Own ? OwnBatch : WholeBatch;
            _start = Stopwatch.GetTimestamp();
        }

        private void NextPhase()
        {
            _phase++;
            switch (_phase)
            {
                case Phase.Whole:
                    _batch = WholeBatches;
                    break;
                case Phase.Own:
                    _batch = OwnBatches;
                    processor().EntryRequest = KvmRequest.Nothing;
                    break;
                default:
                    processor().EntryRequest = KvmRequest.Run;
                    for (int n = 0; n < OwnBatches; n++)
                    {
                        TransitionNanoseconds = Math.Min(TransitionNanoseconds, processor().MeasureTransition(OwnBatch));
                    }

                    _batch = int.MaxValue;
                    Ended.Set();
                    break;
            }
        }

        private enum Phase
        {
            WarmUp,
            Whole,
            Own,
            Ended,
        }
    }

    /// <summary>KVM, remembering the processor that was made.</summary>
    private sealed class ObservedEngine(KvmEngine inner) : IVmxEngine
    {
        public KvmProcessor? Processor { get; private set; }

        public string Name => inner.Name;

        public VmxCapabilities Capabilities => inner.Capabilities;

        public IVmxMachine CreateMachine(IPhysicalMemory memory, ITimeSource clock) => new ObservedMachine(this, inner.CreateMachine(memory, clock));

        private sealed class ObservedMachine(ObservedEngine engine, IVmxMachine machine) : IVmxMachine
        {
            public IReadOnlyDictionary<string, long> Counters => machine.Counters;

            public HostPage AllocatePage() => machine.AllocatePage();

            public ILogicalProcessor CreateProcessor(int index)
            {
                var processor = (KvmProcessor)machine.CreateProcessor(index);
                engine.Processor = processor;
                return processor;
            }

            public void Dispose() => machine.Dispose();
        }
    }
}
