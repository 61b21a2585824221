using Iced.Intel;
using Vmm.Engine.Software.Tests.Differential.Comparison;
using Vmm.Engine.Software.Tests.Differential.Generation;
using Vmm.Engine.Software.Tests.Differential.Native;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>Runs cases of many forms on the host processor and in each tier of the engine, and collects what differs.</summary>
internal sealed unsafe class Campaign(CampaignOptions options, NativeProcessor native, params IReadOnlyList<EngineProcessor> tiers)
{
    private const int ReportedPerForm = 3;

    private readonly CaseGenerator _generator = new(options.Seed);
    private readonly Instruction[] _instructions = new Instruction[NativeProcessor.Capacity];
    private readonly int[] _indexes = new int[NativeProcessor.Capacity];

    /// <summary>Reports of mismatches, each with its inputs and the command that runs it alone.</summary>
    public List<string> Reports { get; } = [];

    /// <summary>Mismatches by form.</summary>
    public Dictionary<InstructionForm, int> Mismatches { get; } = [];

    /// <summary>Forms of which no case could be generated.</summary>
    public List<InstructionForm> NotGenerated { get; } = [];

    public int FormsCovered { get; private set; }

    public long Cases { get; private set; }

    /// <summary>Cases that completed without an exception.</summary>
    public long Completed { get; private set; }

    public void Run(InstructionForm form)
    {
        int run = 0;
        int first = options.OnlyCase ?? 0;
        int end = options.OnlyCase is { } only ? only + 1 : options.CasesPerForm;
        while (first < end)
        {
            int count = Fill(form, ref first, end);
            RunNatively(form, count);
            for (int n = 0; n < count; n++)
            {
                Completed += native.Slot(n)->Native.Vector == CaseResult.Breakpoint ? 1 : 0;
                foreach (EngineProcessor tier in tiers)
                {
                    Compare(form, n, tier);
                }
            }

            run += count;
        }

        if (run == 0)
        {
            NotGenerated.Add(form);
        }
        else
        {
            FormsCovered++;
        }

        Cases += run;
    }

    private void RunNatively(InstructionForm form, int count)
    {
        try
        {
            native.Run(count);
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidOperationException($"{form}, VMM_SEED={options.Seed}: {e.Message}", e);
        }
    }

    private int Fill(InstructionForm form, ref int next, int end)
    {
        int count = 0;
        while (next < end && count < NativeProcessor.Capacity)
        {
            if (_generator.Generate(form, next, native.Slot(count), out _instructions[count]))
            {
                _indexes[count++] = next;
            }

            next++;
        }

        return count;
    }

    private void Compare(InstructionForm form, int n, EngineProcessor tier)
    {
        CaseSlot* slot = native.Slot(n);
        ProcessorImage result;
        tier.Run(slot, &result);
        List<string> differences = CaseComparer.Compare(_instructions[n], slot, &result, tier.Memory);
        if (differences.Count == 0)
        {
            return;
        }

        int before = Mismatches.GetValueOrDefault(form);
        Mismatches[form] = before + 1;
        if (before < ReportedPerForm)
        {
            Reports.Add($"{tier.Tier}: " + CaseReport.Write(form.ToString(), _indexes[n], options.Seed, _instructions[n], slot, differences));
        }
    }
}
