using Iced.Intel;
using Vmm.EndToEnd.Tests.Guests;
using Vmm.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Benchmarks.Ports;

/// <summary>
/// A guest that times loops around one instruction each with its time-stamp counter and sends the ticks to COM1: first
/// the counter's frequency, then for each loop <see cref="Samples"/> numbers, all of four bytes.
/// </summary>
internal static class PortGuest
{
    public const int Samples = 120;

    /// <summary>How many of a loop's samples come before the runtime has compiled for good what they go through.</summary>
    public const int WarmUp = 60;
    public const int Iterations = 20_000;

    /// <summary>The latch of the board that keeps a byte and does nothing with it.</summary>
    private const byte EmptyDevice = 0x80;
    private const int ApicBase = 0x1B;

    /// <summary>The loops; the first has nothing in it.</summary>
    public static IReadOnlyList<(string Name, Action<Assembler> Body)> Loops { get; } =
    [
        ("nothing", _ => { }),
        ("CPUID", a =>
        {
            a.xor(eax, eax);
            a.cpuid();
        }),
        ("RDMSR, answered by the kernel", a =>
        {
            a.mov(ecx, ApicBase);
            a.rdmsr();
        }),
        ("in, empty device", a => a.@in(al, EmptyDevice)),
        ("out, empty device", a => a.@out(EmptyDevice, al)),
    ];

    /// <summary>The Multiboot image.</summary>
    public static byte[] Create() => GuestImage.Create(a =>
    {
        a.mov(eax, 0x15);
        a.cpuid();
        a.mov(ebp, ecx);
        SendEbp(a);
        foreach ((_, Action<Assembler> body) in Loops)
        {
            TimeLoop(a, body);
        }

        a.PowerOff();
    });

    private static void TimeLoop(Assembler a, Action<Assembler> body)
    {
        Label sample = a.CreateLabel();
        Label iteration = a.CreateLabel();
        a.mov(edi, Samples);
        a.Label(ref sample);
        a.mov(esi, Iterations);
        a.rdtsc();
        a.mov(ebp, eax);
        a.Label(ref iteration);
        body(a);
        a.dec(esi);
        a.jnz(iteration);
        a.rdtsc();
        a.sub(eax, ebp);
        a.mov(ebp, eax);
        SendEbp(a);
        a.dec(edi);
        a.jnz(sample);
    }

    private static void SendEbp(Assembler a)
    {
        for (int i = 0; i < 4; i++)
        {
            a.mov(eax, ebp);
            a.SendAl();
            a.shr(ebp, 8);
        }
    }
}
