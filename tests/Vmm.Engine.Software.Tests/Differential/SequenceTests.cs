using Iced.Intel;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Differential.Comparison;
using Vmm.Engine.Software.Tests.Differential.Generation;
using Vmm.Engine.Software.Tests.Differential.Native;
using Xunit.Abstractions;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>Instructions together, as the run loop runs them: in blocks, with branches fused to what is before them.</summary>
public sealed unsafe class SequenceTests(ITestOutputHelper output)
{
    private const int ShownReports = 10;

    [NativeFact]
    public void Interpreted_blocks_do_what_the_host_processor_does() => Run(ExecutionTier.Interpreter);

    [NativeFact]
    public void Translated_blocks_do_what_the_host_processor_does() => Run(ExecutionTier.Translator);

    private void Run(ExecutionTier tier)
    {
        CampaignOptions options = CampaignOptions.FromEnvironment();
        SequenceGenerator generator = new(options.Seed);
        using NativeProcessor native = new();
        using EngineProcessor interpreter = new(tier);
        List<string> reports = [];
        int total = options.CasesPerForm * 100;
        List<Instruction>[] sequences = new List<Instruction>[NativeProcessor.Capacity];
        for (int first = 0; first < total; first += NativeProcessor.Capacity)
        {
            for (int n = 0; n < NativeProcessor.Capacity; n++)
            {
                sequences[n] = generator.Generate(first + n, native.Slot(n));
            }

            native.Run(NativeProcessor.Capacity);
            for (int n = 0; n < NativeProcessor.Capacity; n++)
            {
                ProcessorImage interpreted;
                interpreter.RunBlocks(native.Slot(n), &interpreted);
                Instruction last = sequences[n][^1];
                List<string> differences = CaseComparer.Compare(last, native.Slot(n), &interpreted, interpreter.Memory, ArithmeticFlags.Adjust);
                if (differences.Count > 0)
                {
                    reports.Add($"{string.Join("; ", sequences[n])}\n{CaseReport.Write("Sequence", first + n, options.Seed, last, native.Slot(n), differences)}");
                }
            }
        }

        string summary = $"{total} sequences run, {reports.Count} mismatches, VMM_SEED={options.Seed}, host {HostProcessor.Name}";
        output.WriteLine(summary);
        Assert.True(reports.Count == 0, $"{summary}\n{string.Join('\n', reports.Take(ShownReports))}");
    }
}
