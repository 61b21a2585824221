using System.Diagnostics;
using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Engine.Kvm.Processor;
using Vmm.Kernel;
using Vmm.Plugins.KvmParavirt;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>The time that a guest computes from its time-stamp counter and the paravirtual clock's structure, on each engine.</summary>
public sealed class ParavirtualClockTests
{
    private const uint SystemTime = 0x4B56_4D01;
    private const ulong Structure = GuestLayout.Data, Computed = GuestLayout.Data + 0x40, Counter = GuestLayout.Data + 0x48;
    private const long Tolerance = 2_000_000; // ns: what an engine may leave of the drift, and a host's interruptions between two readings
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public static TheoryData<string> Engines => EngineNames.Present;

    public static TheoryData<string, string> Moves => EngineNames.Moves;

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_guest_computes_virtual_time(string engine)
    {
        using var vm = new ClockedMachine(engine);
        vm.Bench.Start();
        vm.AssertTimeIsRight();
        vm.End();
    }

    /// <summary>KVM's counter runs on meanwhile.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void The_computed_time_stands_still_with_the_vm(string engine)
    {
        using var vm = new ClockedMachine(engine);
        vm.Bench.Start();
        vm.AssertTimeIsRight();
        vm.Bench.Machine.Pause();
        long start = Stopwatch.GetTimestamp();
        Assert.True(SpinWait.SpinUntil(() => Stopwatch.GetElapsedTime(start).TotalMilliseconds > 100, Deadline), "The host's time stands still.");
        vm.Bench.Machine.Resume();
        vm.AssertTimeIsRight();
        vm.End();
    }

    /// <summary>To a counter that has another frequency, too.</summary>
    [KvmTheory]
    [MemberData(nameof(Moves))]
    public void The_computed_time_goes_on_on_another_engine(string from, string to)
    {
        using var first = new ClockedMachine(from);
        first.Bench.Start();
        first.AssertTimeIsRight();
        first.Bench.Machine.Pause();
        IReadOnlyList<StateSection> saved = first.Bench.Machine.SaveState();
        using var second = new ClockedMachine(to);
        byte[] memory = new byte[GuestRam.Length];
        Assert.True(first.Bench.Machine.Memory.TryRead(0, memory));
        Assert.True(second.Bench.Machine.Memory.TryLoad(0, memory));
        second.Bench.Machine.AttachDevices();
        second.Bench.Machine.StartPaused(saved);
        second.Bench.Machine.Resume();
        second.AssertTimeIsRight();
        Assert.True(second.Readings[0].Begin >= first.Readings[^1].End, "Virtual time goes on.");
        if (to == EngineNames.Software || HostKvm.Engine.TimestampControl != TimestampControl.None)
        {
            Assert.True(second.Readings[0].Counter >= first.Readings[^1].Counter, "The counter goes on from where it was.");
        }

        second.End();
    }

    /// <summary>A VM whose guest computes the time again and again, each time between two looks of a device at the clock.</summary>
    private sealed class ClockedMachine : IDisposable
    {
        private const int Enough = 20;

        private readonly SemaphoreSlim _read = new(0);
        private long? _begin;
        private volatile bool _ends;

        public ClockedMachine(string engine)
        {
            Bench = new KernelBench(engine, ReadClock);
            VirtualMachine machine = Bench.Machine;
            machine.AddExitHandler("kvm", new KvmParavirtHandler(machine.CreateDeviceContext("kvm").Clock));
            Bench.Device.OnRead = () =>
            {
                _begin = machine.Clock.NowNanoseconds;
                return _ends ? 1u : 0;
            };
            Bench.Device.OnWrite = value =>
            {
                if (value == 1 && _begin is { } begin) // a reading that was begun on another engine is nobody's
                {
                    Readings.Add(new Reading(begin, (long)Load(Computed), machine.Clock.NowNanoseconds, Load(Counter)));
                    _read.Release();
                }
            };
        }

        public KernelBench Bench { get; }

        public List<Reading> Readings { get; } = [];

        /// <summary>Waits for a few readings and looks at them all.</summary>
        public void AssertTimeIsRight()
        {
            for (int n = 0; n < Enough; n++)
            {
                Assert.True(_read.Wait(Deadline), "The guest reads its clock no more.");
            }

            Bench.Machine.Pause();
            Assert.All(Readings, reading => Assert.InRange(reading.Computed, reading.Begin - Tolerance, reading.End + Tolerance));
            Assert.Equal(Readings.Select(reading => reading.Begin).Order(), Readings.Select(reading => reading.Begin));
            Bench.Machine.Resume();
        }

        public void End()
        {
            _ends = true;
            Bench.WaitForEnd();
        }

        public void Dispose()
        {
            Bench.Dispose();
            _read.Dispose();
        }

        private ulong Load(ulong address)
        {
            byte[] bytes = new byte[8];
            Assert.True(Bench.Machine.Memory.TryRead(address, bytes));
            return BitConverter.ToUInt64(bytes);
        }

        // The computation of struct pvclock_vcpu_time_info (Linux Documentation/virt/kvm/x86/msr.rst).
        private static void ReadClock(Iced.Intel.Assembler a)
        {
            Iced.Intel.Label loop = a.CreateLabel(), read = a.CreateLabel(), right = a.CreateLabel(), scale = a.CreateLabel(), end = a.CreateLabel();
            KernelBench.WriteMsr(a, SystemTime, (uint)Structure | 1);
            a.mov(ebx, (uint)Structure);
            a.Label(ref loop);
            a.mov(edx, KernelBench.NotePort);
            a.@in(al, dx);
            a.test(al, al);
            a.jne(end);
            a.Label(ref read);
            a.mov(esi, __dword_ptr[rbx]);
            a.rdtsc();
            a.shl(rdx, 32);
            a.or(rax, rdx);
            a.mov(__qword_ptr[Counter], rax);
            a.sub(rax, __qword_ptr[rbx + 8]);
            a.mov(cl, __byte_ptr[rbx + 28]);
            a.test(cl, cl);
            a.js(right);
            a.shl(rax, cl);
            a.jmp(scale);
            a.Label(ref right);
            a.neg(cl);
            a.shr(rax, cl);
            a.Label(ref scale);
            a.mov(edx, __dword_ptr[rbx + 24]);
            a.mul(rdx);
            a.shr(rax, 32);
            a.shl(rdx, 32);
            a.or(rax, rdx);
            a.add(rax, __qword_ptr[rbx + 16]);
            a.cmp(esi, __dword_ptr[rbx]);
            a.jne(read); // the structure has changed meanwhile
            a.mov(__qword_ptr[Computed], rax);
            a.mov(edx, KernelBench.NotePort);
            a.mov(eax, 1);
            a.@out(dx, al);
            a.jmp(loop);
            a.Label(ref end);
        }
    }

    /// <param name="Begin">Virtual time before.</param>
    /// <param name="Computed">What the guest has computed.</param>
    /// <param name="End">Virtual time after.</param>
    /// <param name="Counter">The guest's time-stamp counter.</param>
    private sealed record Reading(long Begin, long Computed, long End, ulong Counter);
}
