using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Kernel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>Whole VMs that are saved with their local APICs in one model and go on in another.</summary>
public sealed class ApicMoveTests
{
    private const byte Vector = KernelBench.Vector;

    public static TheoryData<string, string> Moves => EngineNames.ApicMoves;

    [SplitIrqchipTheory]
    [MemberData(nameof(Moves))]
    public void A_guest_moves_with_its_timer_running(string from, string to)
    {
        using var first = new KernelBench(from, Code);
        using var noted = new ManualResetEventSlim();
        first.Device.OnWrite = _ => noted.Set();
        first.Start();
        Assert.True(noted.Wait(KernelBench.Deadline));
        first.Machine.Pause();
        ProcessorState state = first.Machine.GetProcessorState(0);
        Assert.Equal(0x20u, state.LocalApic!.Registers[8]);
        Assert.NotNull(state.LocalApic.TimerExpiry);
        byte[] memory = new byte[GuestRam.Length];
        Assert.True(first.Machine.Memory.TryRead(0, memory));

        using var second = new KernelBench(to, Code);
        second.Device.OnRead = () => 1;
        second.Machine.AttachDevices();
        Assert.True(second.Machine.Memory.TryLoad(0, memory));
        second.Machine.StartPaused(first.Machine.SaveState());
        second.Machine.Resume();
        second.WaitForEnd();
        Assert.Equal([0x20UL, Vector | 0x2000, 0x1FF, KernelBench.EndMark], second.Device.Written);
    }

    [SplitIrqchipTheory]
    [MemberData(nameof(Moves))]
    public void A_second_processor_moves_while_it_waits_for_its_startup_ipi(string from, string to)
    {
        using var first = new KernelBench(from, Start, processors: 2);
        using var noted = new ManualResetEventSlim();
        first.Device.OnWrite = _ => noted.Set();
        first.Assemble(0x7000, Second, bitness: 16);
        first.Start();
        Assert.True(noted.Wait(KernelBench.Deadline));
        first.Machine.Pause();
        Assert.Equal((uint)ActivityState.WaitForSipi, first.Machine.GetProcessorState(1).Activity);
        byte[] memory = new byte[GuestRam.Length];
        Assert.True(first.Machine.Memory.TryRead(0, memory));

        using var second = new KernelBench(to, Start, processors: 2);
        second.Device.OnRead = () => 1;
        second.Machine.AttachDevices();
        Assert.True(second.Machine.Memory.TryLoad(0, memory));
        second.Machine.StartPaused(first.Machine.SaveState());
        second.Machine.Resume();
        second.WaitForEnd();
        Assert.Equal([0x700UL, KernelBench.EndMark], second.Device.Written);
    }

    // Halts under a periodic timer until the device says that it has moved; then tells of its APIC.
    private static void Code(Iced.Intel.Assembler a)
    {
        Iced.Intel.Label loop = a.CreateLabel();
        GuestApic.Enable(a);
        KernelBench.WriteMsr(a, Msr.X2ApicTpr, 0x20);
        GuestApic.StartTimer(a, Vector | GuestApic.Periodic, 5_000_000);
        a.xor(ebx, ebx);
        KernelBench.Note(a, 1);
        a.Label(ref loop);
        a.sti();
        a.hlt();
        a.cli();
        a.mov(edx, KernelBench.NotePort);
        a.@in(al, dx);
        a.test(al, al);
        a.je(loop);
        NoteRegister(a, Msr.X2ApicTpr, shift: 0);
        NoteRegister(a, Msr.X2ApicLvtTimer, shift: 4); // the periodic bit in bit 13
        NoteRegister(a, Msr.X2ApicSivr, shift: 0);
    }

    private static void NoteRegister(Iced.Intel.Assembler a, uint msr, int shift)
    {
        a.mov(ecx, msr);
        a.rdmsr();
        if (shift != 0)
        {
            a.mov(ecx, eax);
            a.shr(ecx, (byte)shift);
            a.and(ecx, 0x2000);
            a.movzx(eax, al);
            a.or(eax, ecx);
        }

        a.mov(edx, KernelBench.NotePort);
        a.@out(dx, ax);
    }

    // Sends the start-up IPI only where the device says so; the second processor ends the guest.
    private static void Start(Iced.Intel.Assembler a)
    {
        Iced.Intel.Label loop = a.CreateLabel();
        GuestApic.Enable(a);
        GuestApic.Send(a, 1, 0x4500);
        KernelBench.Note(a, 1);
        a.mov(edx, KernelBench.NotePort);
        a.Label(ref loop);
        a.@in(al, dx);
        a.test(al, al);
        a.je(loop);
        GuestApic.Send(a, 1, 0x4607);
        a.cli();
        a.hlt();
    }

    private static void Second(Iced.Intel.Assembler a)
    {
        a.mov(dx, KernelBench.NotePort);
        a.mov(ax, cs);
        a.@out(dx, ax);
        a.mov(ax, (short)KernelBench.EndMark);
        a.@out(dx, ax);
        a.cli();
        a.hlt();
    }
}
