using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Kernel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>Whole VMs: the kernel with its local APIC, clock, devices and CPU pool on each engine.</summary>
public sealed class KernelTests
{
    private const ushort NotePort = KernelBench.NotePort;
    private const byte Vector = KernelBench.Vector;

    public static TheoryData<string> Engines => EngineNames.WithApics;

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_guest_talks_to_a_device(string engine)
    {
        using var bench = new KernelBench(engine, a =>
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
        Assert.Equal([0x1234UL, 0x42, KernelBench.EndMark], bench.Device.Written);
        Assert.Contains(bench.Machine.Statistics.Exits, statistic => statistic.Reason == ExitReason.IoInstruction && statistic.Count == 4);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void The_apic_timer_interrupts_a_halted_guest_again_and_again(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.xor(ebx, ebx);
            GuestApic.Enable(a);
            KernelBench.WriteMsr(a, Msr.X2ApicFirst + 0x3E, 0xB); // divide by 1: nanoseconds
            KernelBench.WriteMsr(a, Msr.X2ApicLvtTimer, Vector | (1 << 17)); // periodic
            KernelBench.WriteMsr(a, Msr.X2ApicInitCount, 2_000_000);
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
        using var endless = new KernelBench(engine, a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.jmp(loop);
        }, pool, id: 1);
        using var other = new KernelBench(engine, a => a.nop(), pool, id: 2);
        endless.Start();
        other.RunToEnd();
        Assert.Contains(endless.Machine.Statistics.Exits, statistic => statistic.Reason is ExitReason.PreemptionTimerExpired or ExitReason.ExternalInterrupt);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_guest_is_paused_saved_and_resumed(string engine)
    {
        using var bench = new KernelBench(engine, a =>
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
        bench.Start();
        Assert.True(running.Wait(KernelBench.Deadline));
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
        using var bench = new KernelBench(engine, a => a.nop(), start: state => state.Cr0 &= ~(ulong)Cr0Bits.Ne);
        bench.Machine.FloatingPointErrors.PinFor(bench.Machine.CreateDeviceContext("latch")).Connect(() => { });
        bench.RunToEnd();
    }

    /// <summary>MOV to and from CR8 and the TPR of the APIC's page are one register.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void CR8_and_the_task_priority_register_of_the_apic_page_agree(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            const uint Page = 0xFEE0_0000, TaskPriority = Page + 0x80, Directory = (uint)GuestLayout.PageTables + 0x3000;
            a.mov(__qword_ptr[GuestLayout.PageTables + 0x1018], (int)Directory | 7);
            a.mov(eax, Page | 0x83);
            a.mov(__qword_ptr[Directory + (((Page >> 21) & 0x1FF) * 8)], rax);
            a.mov(ebp, TaskPriority);
            a.mov(edx, NotePort);
            a.mov(eax, 5);
            a.mov(cr8, rax);
            a.mov(eax, __dword_ptr[rbp]);
            a.@out(dx, al);
            a.mov(__dword_ptr[rbp], 0x90);
            a.mov(rax, cr8);
            a.@out(dx, al);
            a.mov(__dword_ptr[rbp], 0x37);
            a.mov(rax, cr8);
            a.@out(dx, al);
            a.mov(eax, __dword_ptr[rbp]);
            a.@out(dx, al);
            a.mov(eax, 2);
            a.mov(cr8, rax);
            a.mov(eax, __dword_ptr[rbp]);
            a.@out(dx, al);
        });
        bench.RunToEnd();
        Assert.Equal([0x50UL, 9, 3, 0x37, 0x20, KernelBench.EndMark], bench.Device.Written);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void An_interrupt_that_CR8_holds_back_comes_when_the_guest_lowers_it(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            EnableX2Apic(a);
            a.xor(ebx, ebx);
            a.sti();
            a.mov(eax, 15);
            a.mov(cr8, rax);
            KernelBench.WriteMsr(a, Msr.X2ApicFirst + 0x3F, Vector); // to itself
            a.mov(edx, NotePort);
            a.mov(eax, ebx);
            a.@out(dx, al);
            a.xor(eax, eax);
            a.mov(cr8, rax);
            a.@out(0x80, al); // a KVM without VT-x tells at the next exit
            a.nop();
            a.nop();
            a.mov(edx, NotePort); // the handler has used it
            a.mov(eax, ebx);
            a.@out(dx, al);
        });
        bench.RunToEnd();
        Assert.Equal([0UL, 1, KernelBench.EndMark], bench.Device.Written);
    }

    private static void EnableX2Apic(Iced.Intel.Assembler a)
    {
        KernelBench.WriteMsr(a, Msr.Ia32ApicBase, 0xFEE0_0D00);
        KernelBench.WriteMsr(a, Msr.X2ApicSivr, 0x1FF);
    }
}
