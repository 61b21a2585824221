using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Kernel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>Whole VMs: the kernel with its local APIC, clock, devices and CPU pool on each engine.</summary>
public sealed class KernelTests
{
    private const ushort NotePort = 0x300;
    private const byte Vector = 0x60;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public static TheoryData<string> Engines => EngineNames.Present;

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_guest_talks_to_a_device(string engine)
    {
        using var bench = new Bench(engine, a =>
        {
            a.mov(edx, NotePort);
            a.mov(eax, 0x1234);
            a.@out(dx, ax);
            a.@in(al, dx);
            a.add(al, 1);
            a.@out(dx, al);
        });
        bench.Device.OnRead = () => 0x41;
        bench.RunToEnd();
        Assert.Equal([0x1234UL, 0x42, Bench.EndMark], bench.Device.Written);
        Assert.Contains(bench.Machine.Statistics.Exits, statistic => statistic.Reason == ExitReason.IoInstruction && statistic.Count == 4);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void The_apic_timer_interrupts_a_halted_guest_again_and_again(string engine)
    {
        using var bench = new Bench(engine, a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.xor(ebx, ebx);
            EnableX2Apic(a);
            WriteMsr(a, Msr.X2ApicFirst + 0x3E, 0xB); // divide by 1: nanoseconds
            WriteMsr(a, Msr.X2ApicLvtTimer, Vector | (1 << 17)); // periodic
            WriteMsr(a, Msr.X2ApicInitCount, 2_000_000);
            a.Label(ref loop);
            a.sti();
            a.hlt();
            a.cli();
            a.mov(edx, NotePort);
            a.mov(eax, ebx);
            a.@out(dx, al);
            a.cmp(ebx, 3);
            a.jb(loop);
        });
        bench.RunToEnd();

        // A host that is busy may let two ticks pass at once.
        ulong[] counts = [.. bench.Device.Written.SkipLast(1)];
        Assert.Equal(counts.Distinct().Order(), counts);
        Assert.InRange(counts[^1], 3UL, 100UL);
    }

    /// <summary>A guest that never exits gives the pool's one thread back, so that the second one gets its turn.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void Two_guests_share_one_thread_by_quantum(string engine)
    {
        using var pool = new CpuPool("conformance", 1, new SilentLog());
        using var endless = new Bench(engine, a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.jmp(loop);
        }, pool, id: 1);
        using var other = new Bench(engine, a => a.nop(), pool, id: 2);
        endless.Machine.Start();
        other.RunToEnd();
        Assert.Contains(endless.Machine.Statistics.Exits, statistic => statistic.Reason is ExitReason.PreemptionTimerExpired or ExitReason.ExternalInterrupt);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_guest_is_paused_saved_and_resumed(string engine)
    {
        using var bench = new Bench(engine, a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.mov(edx, NotePort);
            a.Label(ref loop);
            a.inc(rbx);
            a.@in(al, dx);
            a.test(al, al);
            a.je(loop);
        });
        using var running = new ManualResetEventSlim();
        int end = 0;
        bench.Device.OnRead = () =>
        {
            running.Set();
            return (ulong)Volatile.Read(ref end);
        };
        bench.Machine.Start();
        Assert.True(running.Wait(Deadline));
        bench.Machine.Pause();
        ulong count = bench.Machine.GetProcessorState(0).Registers.Rbx;
        Assert.NotEqual(0UL, count);
        Assert.Equal(count, bench.Machine.GetProcessorState(0).Registers.Rbx);
        Volatile.Write(ref end, 1);
        bench.Machine.Resume();
        bench.WaitForEnd();
    }

    /// <summary>A processor after reset has NE clear: on a board with the latch of x87 errors the kernel wants #MF exits then.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void A_guest_with_CR0_NE_clear_runs_where_a_device_waits_for_x87_errors(string engine)
    {
        using var bench = new Bench(engine, a => a.nop(), start: state => state.Cr0 &= ~(ulong)Cr0Bits.Ne);
        bench.Machine.FloatingPointErrors.PinFor(bench.Machine.CreateDeviceContext("latch")).Connect(() => { });
        bench.RunToEnd();
    }

    private static void EnableX2Apic(Iced.Intel.Assembler a)
    {
        WriteMsr(a, Msr.Ia32ApicBase, 0xFEE0_0D00);
        WriteMsr(a, Msr.X2ApicSivr, 0x1FF);
    }

    private static void WriteMsr(Iced.Intel.Assembler a, uint msr, uint value)
    {
        a.mov(ecx, msr);
        a.mov(eax, value);
        a.xor(edx, edx);
        a.wrmsr();
    }

    /// <summary>A VM of 4 MiB with one device that notes what it is written, and that a certain value ends.</summary>
    private sealed class Bench : IDisposable
    {
        public const ulong EndMark = 0xE4D;
        private readonly CpuPool? _ownPool;
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Bench(string engine, Action<Iced.Intel.Assembler> code, CpuPool? pool = null, int id = 1, Action<ProcessorState>? start = null)
        {
            pool ??= _ownPool = new CpuPool("conformance", 1, new SilentLog());
            var memory = new GuestMemory();
            memory.AddRam("ram", 0, GuestRam.Length);
            Machine = new VirtualMachine(new VirtualMachineOptions { Id = id, Name = engine }, EngineNames.Find(engine), pool, memory, new SilentLog());
            DeviceContext context = Machine.CreateDeviceContext("notes");
            Device = new NoteDevice(context, () => _ended.TrySetResult());
            Machine.AddDevice("notes", "notes", Device, context);
            Machine.AttachDevices();
            Machine.Boot = machine => Boot(machine, code, start);
            Boot(Machine, code, start);
        }

        public VirtualMachine Machine { get; }

        public NoteDevice Device { get; }

        public void RunToEnd()
        {
            Machine.Start();
            WaitForEnd();
        }

        public void WaitForEnd() => Assert.True(
            Task.WhenAny(_ended.Task, Machine.Completion).Wait(Deadline) && _ended.Task.IsCompleted,
            $"The guest did not end: {(Machine.Completion.IsCompleted ? Machine.Completion.Result : "still running")}.");

        public void Dispose()
        {
            Machine.Dispose();
            _ownPool?.Dispose();
        }

        private static void Boot(VirtualMachine machine, Action<Iced.Intel.Assembler> code, Action<ProcessorState>? start)
        {
            byte[] image = new byte[GuestRam.Length];
            GuestLayout.Write(image, GuestMode.Long);
            Assemble(image, GuestLayout.Code, a =>
            {
                code(a);
                a.mov(edx, NotePort);
                a.mov(eax, (uint)EndMark);
                a.@out(dx, ax);
                a.hlt();
            });
            Assemble(image, GuestLayout.Handler, a =>
            {
                a.inc(ebx);
                WriteMsr(a, Msr.X2ApicEoi, 0);
                a.iretq();
            });
            ulong gate = (GuestLayout.Handler & 0xFFFF) | ((ulong)GuestLayout.CodeSelector << 16) | (0x8EUL << 40) | (GuestLayout.Handler >> 16 << 48);
            System.Runtime.InteropServices.MemoryMarshal.Write(image.AsSpan((int)GuestLayout.Idt + (Vector * 16)), gate);
            Assert.True(machine.Memory.TryLoad(0, image));
            ProcessorState state = GuestLayout.Start(GuestMode.Long, machine.Engine.Capabilities);
            state.Cr4 &= ~(ulong)Cr4Bits.Vmxe;
            start?.Invoke(state);
            machine.SetProcessorState(0, state);
        }

        private static void Assemble(byte[] image, ulong address, Action<Iced.Intel.Assembler> code)
        {
            var assembler = new Iced.Intel.Assembler(64);
            code(assembler);
            using var stream = new MemoryStream();
            assembler.Assemble(new Iced.Intel.StreamCodeWriter(stream), address);
            stream.ToArray().CopyTo(image, (int)address);
        }
    }

    private sealed class NoteDevice(DeviceContext context, Action ended) : IDevice, IPortDevice
    {
        public List<ulong> Written { get; } = [];

        public Func<ulong> OnRead { get; set; } = () => 0;

        public void Attach() => context.Ports.Claim("notes", NotePort, 2, AccessWidths.Byte | AccessWidths.Word, this);

        public void Reset(ResetKind kind) => Written.Clear();

        public ulong Read(uint offset, AccessWidth width) => OnRead();

        public void Write(uint offset, AccessWidth width, ulong value)
        {
            Written.Add(value);
            if (value == Bench.EndMark)
            {
                ended();
            }
        }
    }
}
