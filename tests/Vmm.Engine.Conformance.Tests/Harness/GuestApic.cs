using Iced.Intel;
using Vmm.Engine.Kvm;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>What guests do with their local APIC, in x2APIC mode.</summary>
internal static class GuestApic
{
    public const uint Masked = 1 << 16, Periodic = 1 << 17, TimestampDeadline = 2 << 17, ExternalInterrupt = 0x700, Nmi = 0x400;

    /// <summary>x2APIC mode, vectors accepted.</summary>
    public static void Enable(Assembler a, bool isBootstrap = true)
    {
        KernelBench.WriteMsr(a, Msr.Ia32ApicBase, isBootstrap ? 0xFEE0_0D00 : 0xFEE0_0C00);
        KernelBench.WriteMsr(a, Msr.X2ApicSivr, 0x1FF);
    }

    /// <summary>Starts the timer, undivided: in nanoseconds.</summary>
    public static void StartTimer(Assembler a, uint entry, uint count)
    {
        KernelBench.WriteMsr(a, Msr.X2ApicDivConf, 0xB);
        KernelBench.WriteMsr(a, Msr.X2ApicLvtTimer, entry);
        KernelBench.WriteMsr(a, Msr.X2ApicInitCount, count);
    }

    /// <summary>An inter-processor interrupt.</summary>
    public static void Send(Assembler a, uint destination, uint command)
    {
        a.mov(ecx, Msr.X2ApicIcr);
        a.mov(eax, command);
        a.mov(edx, destination);
        a.wrmsr();
    }

    /// <summary>Passes the time: a KVM that emulates looks for requests every thousand instructions.</summary>
    public static void Spin(Assembler a, uint rounds = 4000)
    {
        Label loop = a.CreateLabel();
        a.mov(ecx, rounds);
        a.Label(ref loop);
        a.dec(ecx);
        a.jne(loop);
    }

    /// <summary>Passes the time, with what interrupts, until EBX has a value: see <see cref="LocalApicModel.Auto"/> for why not in HLT.</summary>
    public static void SpinUntil(Assembler a, uint count)
    {
        Label loop = a.CreateLabel();
        a.Label(ref loop);
        a.cmp(ebx, count);
        a.jb(loop);
    }

    /// <summary>Halts, with interrupts enabled, until EBX has a value.</summary>
    public static void HaltUntil(Assembler a, uint count)
    {
        Label loop = a.CreateLabel(), done = a.CreateLabel();
        a.Label(ref loop);
        a.cli();
        a.cmp(ebx, count);
        a.jae(done);
        a.sti();
        a.hlt();
        a.jmp(loop);
        a.Label(ref done);
    }
}
