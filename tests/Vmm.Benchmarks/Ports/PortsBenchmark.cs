using System.Buffers.Binary;
using System.Text;
using Vmm.Benchmarks.Measure;

namespace Vmm.Benchmarks.Ports;

/// <summary>
/// What an exit costs, from the instruction that causes it to the next one: through VMX, the kernel's dispatch and, for
/// a port with a device, the plugin seam.
/// </summary>
internal static class PortsBenchmark
{
    private const int DefaultRounds = 3;

    public static void Run(Settings settings)
    {
        if (settings.Vmm.Missing is { } missing)
        {
            throw new BenchmarkException(missing);
        }

        using WorkFolder folder = new();
        string kernel = folder.Write("ports.bin", PortGuest.Create());
        List<double>[] perLoop = [.. PortGuest.Loops.Select(_ => new List<double>())];
        for (int round = 0; round < (settings.Rounds ?? DefaultRounds); round++)
        {
            TimedProcess run = TimedProcess.Run(settings.Vmm.Run("--kernel", kernel, "--memory", "16M"));
            Collect(Encoding.Latin1.GetBytes(run.Output), perLoop);
        }

        Table table = new(44, 12, 12);
        table.Row("round trip of an exit", "median", "best");
        double[] empty = Nanoseconds(perLoop[0], [0, 0]);
        for (int i = 1; i < perLoop.Length; i++)
        {
            double[] each = Nanoseconds(perLoop[i], empty);
            table.Row(PortGuest.Loops[i].Name, $"{each[0]:F0} ns", $"{each[1]:F0} ns");
        }

        // The best of each: what is left when nobody disturbs.
        double alone = perLoop[2].Min() - empty[1], device = perLoop[3].Min() - empty[1];
        table.Row("share of a device plugin that does nothing", "", $"{Math.Max(0, device - alone) / device:P0}");
    }

    private static double[] Nanoseconds(List<double> samples, double[] empty) => [samples.Median() - empty[0], samples.Min() - empty[1]];

    private static void Collect(ReadOnlySpan<byte> output, List<double>[] perLoop)
    {
        if (output.Length != 4 * (1 + (PortGuest.Samples * perLoop.Length)))
        {
            throw new BenchmarkException($"The guest sent {output.Length} bytes; it did not run to its end.");
        }

        double nanosecondsPerTick = 1e9 / BinaryPrimitives.ReadUInt32LittleEndian(output);
        for (int i = 0; i < PortGuest.Samples * perLoop.Length; i++)
        {
            if (i % PortGuest.Samples < PortGuest.WarmUp)
            {
                continue;
            }

            uint ticks = BinaryPrimitives.ReadUInt32LittleEndian(output[(4 * (i + 1))..]);
            perLoop[i / PortGuest.Samples].Add(ticks * nanosecondsPerTick / PortGuest.Iterations);
        }
    }
}
