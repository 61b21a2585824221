using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Engine.Kvm;
using Vmm.Kernel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>Local APICs as guests see them, whoever models them.</summary>
public sealed class ApicTests
{
    private const byte Vector = KernelBench.Vector;
    private const ulong Message = 0xFEE0_0000, SecondStart = 0x1_4000, Trampoline = 0x7000;

    public static TheoryData<string> Engines => EngineNames.WithApics;

    [SplitIrqchipFact]
    public void Kvm_models_the_local_apics_where_it_runs_on_hardware_or_is_told_to()
    {
        using KvmEngine chosen = KvmEngine.Open();
        Assert.Equal(chosen.RunsOnHardware, chosen.OffersLocalApics);
        using var own = new KernelBench(EngineNames.Kvm, a => a.nop());
        using var kernels = new KernelBench(EngineNames.KvmWithKernelApics, a => a.nop());
        Assert.NotNull(own.Machine.Apics.Engine);
        Assert.Null(kernels.Machine.Apics.Engine);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_message_wakes_a_halted_guest(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            GuestApic.Enable(a);
            a.xor(ebx, ebx);
            KernelBench.Note(a, 1);
            GuestApic.HaltUntil(a, 1);
        });
        bench.Device.OnWrite = value =>
        {
            if (value == 1)
            {
                bench.Device.Context.Clock.CreateTimer("message", () => bench.Device.Context.Interrupts.SendMessage(Message, Vector))
                    .Arm(bench.Device.Context.Clock.NowNanoseconds + 20_000_000);
            }
        };
        bench.RunToEnd();
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_second_processor_starts_by_init_and_startup_ipi(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            GuestApic.Enable(a);
            GuestApic.Send(a, 1, 0x4500);
            GuestApic.Send(a, 1, 0x4600 | (uint)(Trampoline >> 12));
            WaitForDevice(a);
        }, processors: 2);
        bench.Assemble(Trampoline, a =>
        {
            a.mov(dx, KernelBench.NotePort);
            a.mov(ax, cs);
            a.@out(dx, ax);
            a.cli();
            a.hlt();
        }, bitness: 16);
        ReadyWhenNoted(bench, Trampoline >> 4);
        bench.RunToEnd();
        Assert.Contains(Trampoline >> 4, bench.Device.Written);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void An_ipi_wakes_another_processor(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            GuestApic.Enable(a);
            WaitForDevice(a);
            GuestApic.Send(a, 1, Vector);
            a.hlt();
        }, processors: 2, secondProcessor: SecondStart);
        bench.Assemble(SecondStart, a =>
        {
            GuestApic.Enable(a, isBootstrap: false);
            a.xor(ebx, ebx);
            KernelBench.Note(a, 2);
            GuestApic.HaltUntil(a, 1);
            KernelBench.Note(a, (uint)KernelBench.EndMark);
            a.hlt();
        });
        ReadyWhenNoted(bench, 2);
        bench.RunToEnd();
    }

    /// <summary>Where CPUID announces TSC-deadline mode.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void The_timestamp_deadline_interrupts_a_halted_guest(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            Iced.Intel.Label none = a.CreateLabel();
            a.mov(eax, 1);
            a.cpuid();
            a.bt(ecx, 24);
            a.jnc(none);
            GuestApic.Enable(a);
            KernelBench.WriteMsr(a, Msr.X2ApicLvtTimer, Vector | GuestApic.TimestampDeadline);
            a.xor(ebx, ebx);
            a.rdtsc();
            a.add(eax, 20_000_000);
            a.adc(edx, 0);
            a.mov(ecx, Msr.Ia32TscDeadline);
            a.wrmsr();
            GuestApic.HaltUntil(a, 1);
            a.mov(ecx, Msr.Ia32TscDeadline);
            a.rdmsr();
            a.mov(ebx, eax); // 0: it has expired
            KernelBench.NoteCount(a);
            a.Label(ref none);
            a.nop();
        });
        bench.RunToEnd();
        bool announced = bench.Machine.Apics.Engine?.HasTimestampDeadline ?? bench.Machine.Engine.Capabilities.TimestampFrequency is null;
        Assert.Equal(announced ? [0UL, KernelBench.EndMark] : [KernelBench.EndMark], bench.Device.Written);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void The_8259_interrupts_through_lint0_once_the_guest_lets_it(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            GuestApic.Enable(a);
            KernelBench.WriteMsr(a, Msr.X2ApicLvtLint0, GuestApic.ExternalInterrupt | GuestApic.Masked);
            a.xor(ebx, ebx);
            a.sti();
            KernelBench.Note(a, 0x10); // INTR
            GuestApic.Spin(a);
            KernelBench.NoteCount(a);
            KernelBench.WriteMsr(a, Msr.X2ApicLvtLint0, GuestApic.ExternalInterrupt);
            GuestApic.HaltUntil(a, 1);
            KernelBench.Note(a, 0x11); // INTR, soon
            GuestApic.HaltUntil(a, 2);
            KernelBench.NoteCount(a);
        });
        using var pic = new Pic(bench);
        bench.RunToEnd();
        Assert.Equal([0x10UL, 0, 0x11, 2, KernelBench.EndMark], bench.Device.Written);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void The_nmi_line_comes_through_lint1_unless_it_is_masked(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            GuestApic.Enable(a);
            a.xor(ebx, ebx);
            KernelBench.WriteMsr(a, Msr.X2ApicLvtLint1, GuestApic.Nmi | GuestApic.Masked);
            KernelBench.Note(a, 0x20);
            GuestApic.Spin(a);
            KernelBench.NoteCount(a);
            KernelBench.WriteMsr(a, Msr.X2ApicLvtLint1, GuestApic.Nmi);
            KernelBench.Note(a, 0x20);
            GuestApic.Spin(a);
            KernelBench.NoteCount(a);
        });
        bench.Device.OnWrite = value =>
        {
            if (value == 0x20)
            {
                bench.Device.Context.Interrupts.NonMaskableInterrupt.Set(true);
                bench.Device.Context.Interrupts.NonMaskableInterrupt.Set(false);
            }
        };
        bench.RunToEnd();
        Assert.Equal([0x20UL, 0, 0x20, 1, KernelBench.EndMark], bench.Device.Written);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void The_end_of_a_level_triggered_interrupt_reaches_the_controller(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            GuestApic.Enable(a);
            a.xor(ebx, ebx);
            KernelBench.Note(a, 1);
            a.sti();
            GuestApic.SpinUntil(a, 2); // the line stays asserted through the first
            a.cli();
            GuestApic.Spin(a);
        });
        var controller = new LevelController(bench.Device.Context);
        bench.Device.Context.Interrupts.AttachController(controller);
        bench.Device.OnWrite = value =>
        {
            if (value == 1)
            {
                controller.Deliver();
            }
        };
        bench.RunToEnd();
        Assert.Equal([Vector, Vector], controller.Ends);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_halted_processor_is_paused_and_halts_on(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            GuestApic.Enable(a);
            a.xor(ebx, ebx);
            KernelBench.Note(a, 1);
            GuestApic.HaltUntil(a, 1);
        });
        using var noted = new ManualResetEventSlim();
        bench.Device.OnWrite = _ => noted.Set();
        bench.Start();
        Assert.True(noted.Wait(KernelBench.Deadline));
        Assert.True(SpinWait.SpinUntil(
            () => bench.Machine.WhileQuiet(() => bench.Machine.GetProcessorState(0).Activity) == (uint)ActivityState.Hlt, KernelBench.Deadline));
        bench.Machine.Pause();
        Assert.Equal((uint)ActivityState.Hlt, bench.Machine.GetProcessorState(0).Activity);
        bench.Machine.Resume();
        bench.Device.Context.Interrupts.SendMessage(Message, Vector);
        bench.WaitForEnd();
    }

    // Waits until the device says that it is time.
    private static void WaitForDevice(Iced.Intel.Assembler a)
    {
        Iced.Intel.Label loop = a.CreateLabel();
        a.mov(edx, KernelBench.NotePort);
        a.Label(ref loop);
        a.@in(al, dx);
        a.test(al, al);
        a.je(loop);
    }

    private static void ReadyWhenNoted(KernelBench bench, ulong value) =>
        bench.Device.OnRead = () => bench.Device.Written.Contains(value) ? 1UL : 0;

    /// <summary>Asserts INTR at a note of 0x10, and a while after one of 0x11; its acknowledge cycle takes it back.</summary>
    private sealed class Pic : IInterruptController, IExternalInterruptSource, IDisposable
    {
        private readonly IInterruptLine _intr;
        private readonly IVirtualTimer _timer;

        public Pic(KernelBench bench)
        {
            IDeviceContext context = bench.Device.Context;
            context.Interrupts.AttachController(this);
            _intr = context.Interrupts.ExternalInterrupt;
            _timer = context.Clock.CreateTimer("intr", () => _intr.Set(true));
            bench.Device.OnWrite = value =>
            {
                if (value == 0x10)
                {
                    _intr.Set(true);
                }
                else if (value == 0x11)
                {
                    _timer.Arm(context.Clock.NowNanoseconds + 20_000_000);
                }
            };
        }

        public void SetLine(int line, bool asserted)
        {
        }

        public byte Acknowledge()
        {
            _intr.Set(false);
            return KernelBench.ExternalVector;
        }

        public void Dispose() => _timer.Dispose();
    }

    /// <summary>An I/O APIC with a line that is let go after the second interrupt.</summary>
    private sealed class LevelController(IDeviceContext context) : IInterruptController, IEndOfInterruptListener
    {
        public List<byte> Ends { get; } = [];

        public void Deliver() => context.Interrupts.SendMessage(Message, 0xC000 | Vector);

        public void SetLine(int line, bool asserted)
        {
        }

        public void EndOfInterrupt(byte vector)
        {
            Ends.Add(vector);
            if (Ends.Count == 1)
            {
                Deliver();
            }
        }
    }
}
