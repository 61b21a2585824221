using System.Globalization;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>What to run, from the environment.</summary>
/// <param name="Seed"><c>VMM_SEED</c>; without it, another one each run.</param>
/// <param name="CasesPerForm"><c>VMM_CASES</c>; without it 50, and 1,000 with <c>VMM_NIGHTLY=1</c>.</param>
/// <param name="OnlyForm"><c>VMM_FORM</c>: only forms whose name starts so.</param>
/// <param name="OnlyCase"><c>VMM_CASE</c>: only the case of that number.</param>
internal sealed record CampaignOptions(ulong Seed, int CasesPerForm, string? OnlyForm, int? OnlyCase)
{
    public static CampaignOptions FromEnvironment() => new(
        ulong.TryParse(Environment.GetEnvironmentVariable("VMM_SEED"), CultureInfo.InvariantCulture, out ulong seed) ? seed : (uint)Random.Shared.Next(),
        Number("VMM_CASES") ?? (Environment.GetEnvironmentVariable("VMM_NIGHTLY") == "1" ? 1000 : 50),
        Environment.GetEnvironmentVariable("VMM_FORM"),
        Number("VMM_CASE"));

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out int value) ? value : null;
}
