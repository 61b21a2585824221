using Vmm.Kernel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>A VM of 4 MiB with one device that notes what it is written, and that a certain value ends.</summary>
internal sealed class KernelBench : IDisposable
{
    public const ulong EndMark = 0xE4D;
    public const ushort NotePort = 0x300;

    /// <summary>The vector whose handler counts in EBX.</summary>
    public const byte Vector = 0x60;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly CpuPool? _ownPool;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public KernelBench(string engine, Action<Iced.Intel.Assembler> code, CpuPool? pool = null, int id = 1, Action<ProcessorState>? start = null)
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

    public static void WriteMsr(Iced.Intel.Assembler a, uint msr, uint value)
    {
        a.mov(ecx, msr);
        a.mov(eax, value);
        a.xor(edx, edx);
        a.wrmsr();
    }

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

internal sealed class NoteDevice(DeviceContext context, Action ended) : IDevice, IPortDevice
{
    public List<ulong> Written { get; } = [];

    public Func<ulong> OnRead { get; set; } = () => 0;

    public Action<ulong> OnWrite { get; set; } = _ => { };

    public void Attach() => context.Ports.Claim("notes", KernelBench.NotePort, 2, AccessWidths.Byte | AccessWidths.Word, this);

    public void Reset(ResetKind kind) => Written.Clear();

    public ulong Read(uint offset, AccessWidth width) => OnRead();

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        Written.Add(value);
        OnWrite(value);
        if (value == KernelBench.EndMark)
        {
            ended();
        }
    }
}
