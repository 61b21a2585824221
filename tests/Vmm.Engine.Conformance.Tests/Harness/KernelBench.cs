using System.Runtime.InteropServices;
using Vmm.Kernel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>A whole VM of 4 MiB on an engine, with one device that notes what it is written.</summary>
internal sealed class KernelBench : IDisposable
{
    public const ulong EndMark = 0xE4D;
    public const ushort NotePort = 0x300;

    /// <summary>The vector whose handler counts in EBX and ends the interrupt.</summary>
    public const byte Vector = 0x60;

    /// <summary>The vector whose handler only counts: the 8259A's.</summary>
    public const byte ExternalVector = 0x61;

    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private const ulong ExternalHandler = GuestLayout.Handler + 0x1000;

    private readonly CpuPool? _ownPool;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<(ulong Address, int Bitness, Action<Iced.Intel.Assembler> Code)> _more = [];
    private readonly Action<Iced.Intel.Assembler> _code;
    private readonly Action<ProcessorState>? _start;
    private readonly ulong? _secondProcessor;

    /// <summary>Makes the VM, not started.</summary>
    /// <param name="engine">Name of the engine.</param>
    /// <param name="code">What the first processor runs, in long mode.</param>
    /// <param name="pool">Its pool; null for one with a thread for each processor.</param>
    /// <param name="id">Number of the VM.</param>
    /// <param name="start">Changes the state in which the first processor starts.</param>
    /// <param name="processors">Number of processors.</param>
    /// <param name="secondProcessor">Where the second processor starts, in long mode too; null to wait for a start-up IPI.</param>
    public KernelBench(
        string engine, Action<Iced.Intel.Assembler> code, CpuPool? pool = null, int id = 1, Action<ProcessorState>? start = null,
        int processors = 1, ulong? secondProcessor = null)
    {
        _start = start;
        _code = code;
        _secondProcessor = secondProcessor;
        pool ??= _ownPool = new CpuPool("conformance", processors, new SilentLog());
        var memory = new GuestMemory();
        memory.AddRam("ram", 0, GuestRam.Length);
        Machine = new VirtualMachine(
            new VirtualMachineOptions { Id = id, Name = engine, ProcessorCount = processors }, EngineNames.Find(engine), pool, memory, new SilentLog());
        DeviceContext context = Machine.CreateDeviceContext("notes");
        Device = new NoteDevice(context, () => _ended.TrySetResult());
        Machine.AddDevice("notes", "notes", Device, context);
        Machine.Boot = _ =>
        {
            Boot();
            Prepare?.Invoke();
        };
    }

    public VirtualMachine Machine { get; }

    public NoteDevice Device { get; }

    /// <summary>What the board does once the guest is in memory.</summary>
    public Action? Prepare { get; set; }

    /// <summary>Assembles more code for the guest.</summary>
    public void Assemble(ulong address, Action<Iced.Intel.Assembler> code, int bitness = 64) => _more.Add((address, bitness, code));

    public void Start()
    {
        Machine.AttachDevices();
        Machine.Start();
    }

    public void RunToEnd()
    {
        Start();
        WaitForEnd();
    }

    public void WaitForEnd() => Assert.True(
        Task.WhenAny(_ended.Task, Machine.Completion).Wait(Deadline) && _ended.Task.IsCompleted,
        $"The guest did not end: {(Machine.Completion.IsCompleted ? Machine.Completion.Result : "still running")}; it wrote {string.Join(' ', Device.Written)}.");

    /// <summary>Exits of a reason so far.</summary>
    public long Exits(ExitReason reason) => Machine.Statistics.Exits.Where(statistic => statistic.Reason == reason).Sum(statistic => statistic.Count);

    public static void WriteMsr(Iced.Intel.Assembler a, uint msr, uint value)
    {
        a.mov(ecx, msr);
        a.mov(eax, value);
        a.xor(edx, edx);
        a.wrmsr();
    }

    /// <summary>Writes a note.</summary>
    public static void Note(Iced.Intel.Assembler a, uint value)
    {
        a.mov(edx, NotePort);
        a.mov(eax, value);
        a.@out(dx, ax);
    }

    /// <summary>Writes EBX down.</summary>
    public static void NoteCount(Iced.Intel.Assembler a)
    {
        a.mov(edx, NotePort);
        a.mov(eax, ebx);
        a.@out(dx, al);
    }

    private void Boot()
    {
        byte[] image = new byte[GuestRam.Length];
        GuestLayout.Write(image, GuestMode.Long);
        Assemble(image, GuestLayout.Code, 64, a =>
        {
            _code(a);
            Note(a, (uint)EndMark);
            a.cli();
            a.hlt();
        });
        Assemble(image, GuestLayout.Handler, 64, a =>
        {
            a.push(rcx);
            a.push(rax);
            a.push(rdx);
            a.inc(ebx);
            WriteMsr(a, Msr.X2ApicEoi, 0);
            a.pop(rdx);
            a.pop(rax);
            a.pop(rcx);
            a.iretq();
        });
        Assemble(image, ExternalHandler, 64, a =>
        {
            a.inc(ebx);
            a.iretq();
        });
        Gate(image, Vector, GuestLayout.Handler);
        Gate(image, ExternalVector, ExternalHandler);
        Gate(image, (byte)ExceptionVector.Nmi, ExternalHandler);
        _more.ForEach(part => Assemble(image, part.Address, part.Bitness, part.Code));
        Assert.True(Machine.Memory.TryLoad(0, image));
        ProcessorState first = State(GuestLayout.Code, GuestLayout.Stack);
        _start?.Invoke(first);
        Machine.SetProcessorState(0, first);
        if (_secondProcessor is { } start)
        {
            Machine.SetProcessorState(1, State(start, GuestLayout.Stack - 0x1000));
        }
    }

    public void Dispose()
    {
        Machine.Dispose();
        _ownPool?.Dispose();
    }

    private ProcessorState State(ulong rip, ulong stack)
    {
        ProcessorState state = GuestLayout.Start(GuestMode.Long, Machine.Engine.Capabilities);
        state.Cr4 &= ~(ulong)Cr4Bits.Vmxe;
        state.Rip = rip;
        state.Registers.Rsp = stack;
        return state;
    }

    private static void Gate(byte[] image, byte vector, ulong handler)
    {
        ulong gate = (handler & 0xFFFF) | ((ulong)GuestLayout.CodeSelector << 16) | (0x8EUL << 40) | (handler >> 16 << 48);
        MemoryMarshal.Write(image.AsSpan((int)GuestLayout.Idt + (vector * 16)), gate);
    }

    private static void Assemble(byte[] image, ulong address, int bitness, Action<Iced.Intel.Assembler> code)
    {
        var assembler = new Iced.Intel.Assembler(bitness);
        code(assembler);
        using var stream = new MemoryStream();
        assembler.Assemble(new Iced.Intel.StreamCodeWriter(stream), bitness == 16 ? 0 : address);
        stream.ToArray().CopyTo(image, (int)address);
    }
}
