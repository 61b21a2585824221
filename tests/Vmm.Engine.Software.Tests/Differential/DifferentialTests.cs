using System.Text;
using Vmm.Engine.Software.Tests.Differential.Generation;
using Vmm.Engine.Software.Tests.Differential.Native;
using Xunit.Abstractions;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>
/// Random instances of every instruction form that the interpreter implements, run there, translated, and on the host processor: all
/// must end alike, in registers, defined flags, memory and faults. See <see cref="CampaignOptions"/> for what the
/// environment chooses.
/// </summary>
public sealed class DifferentialTests(ITestOutputHelper output)
{
    private const int ShownReports = 100;

    [NativeFact]
    public void Every_form_of_64_bit_code_does_what_the_host_processor_does() => Run(64);

    [NativeFact]
    public void Every_form_of_32_bit_code_does_what_the_host_processor_does() => Run(32);

    [NativeFact]
    public void Every_form_of_16_bit_code_in_segments_does_what_the_host_processor_does() => Run(16);

    [Fact]
    public void Every_implemented_form_is_compared_or_left_out_for_a_reason() => Assert.Empty(FormCatalog.Forgotten());

    private void Run(int bitness)
    {
        CampaignOptions options = CampaignOptions.FromEnvironment();
        FormCatalog catalog = FormCatalog.Create(bitness);
        using NativeProcessor native = new();
        using EngineProcessor interpreter = new(ExecutionTier.Interpreter);
        using EngineProcessor translator = new(ExecutionTier.Translator);
        Campaign campaign = new(options, native, interpreter, translator);
        foreach (InstructionForm form in catalog.Forms)
        {
            if (options.OnlyForm is null || form.ToString().StartsWith(options.OnlyForm, StringComparison.Ordinal))
            {
                campaign.Run(form);
            }
        }

        string report = Report(options, catalog, campaign);
        output.WriteLine(report);
        if (Environment.GetEnvironmentVariable("VMM_REPORT") is { Length: > 0 } file)
        {
            File.WriteAllText($"{file}.{bitness}", report);
        }

        Assert.True(campaign.Mismatches.Count == 0 && campaign.NotGenerated.Count == 0, report);
    }

    private static string Report(CampaignOptions options, FormCatalog catalog, Campaign campaign)
    {
        StringBuilder text = new();
        text.AppendLine(
            $"{campaign.FormsCovered} forms covered, {campaign.Cases} cases run ({campaign.Completed} without an exception), "
            + $"{campaign.Mismatches.Values.Sum()} mismatches in {campaign.Mismatches.Count} forms, VMM_SEED={options.Seed}, host {HostProcessor.Name}");
        if (campaign.NotGenerated.Count > 0)
        {
            text.AppendLine($"No case could be generated for: {string.Join(", ", campaign.NotGenerated)}");
        }

        foreach ((InstructionForm form, int count) in campaign.Mismatches.OrderBy(m => m.Key.ToString(), StringComparer.Ordinal))
        {
            text.AppendLine($"  {form}: {count} of {options.CasesPerForm}");
        }

        foreach (string report in campaign.Reports.Take(ShownReports))
        {
            text.AppendLine(report);
        }

        foreach (IGrouping<string, InstructionForm> group in catalog.Exclusions.GroupBy(e => e.Reason, e => e.Form))
        {
            text.AppendLine($"Not compared, {group.Key}: {string.Join(", ", group)}");
        }

        return text.ToString();
    }
}
