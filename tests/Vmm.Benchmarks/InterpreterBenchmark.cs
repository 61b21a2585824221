using Iced.Intel;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Engine.Software;

namespace Vmm.Benchmarks;

/// <summary>Time a guest instruction takes in the interpreter, for small loops of different kinds.</summary>
internal static unsafe class InterpreterBenchmark
{
    private const int Repetitions = 5;

    public static void Run()
    {
        double sum = 0;
        foreach ((string name, Action<Assembler> code) in GuestLoops.All)
        {
            (double nanoseconds, ulong instructions) = Measure(code);
            sum += nanoseconds;
            Console.WriteLine($"{name,-12} {nanoseconds,6:F2} ns an instruction   {instructions / 1e6,8:F1} million instructions");
        }

        Console.WriteLine($"{"average",-12} {sum / GuestLoops.All.Count,6:F2} ns");
    }

    // Processor time, and the best of several runs: the machine is rarely quiet.
    private static (double Nanoseconds, ulong Instructions) Measure(Action<Assembler> code)
    {
        double best = double.MaxValue;
        ulong instructions = 0;
        for (int n = 0; n < Repetitions; n++)
        {
            using TestMachine machine = new(tier: ExecutionTier.Interpreter);
            machine.Load(code);
            CpuState* state = machine.State;
            TimeSpan start = Environment.CpuUsage.TotalTime;
            machine.Run();
            double elapsed = (Environment.CpuUsage.TotalTime - start).TotalNanoseconds;
            if (machine.Fault is { } fault)
            {
                throw new InvalidOperationException($"The benchmark's guest ended with {fault} at 0x{state->Rip:x}.");
            }

            instructions = state->InstructionsRetired;
            best = Math.Min(best, elapsed / instructions);
        }

        return (best, instructions);
    }
}
