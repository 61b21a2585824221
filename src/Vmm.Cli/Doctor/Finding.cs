namespace Vmm.Cli.Doctor;

/// <summary>What was found about one thing that VMs may need.</summary>
/// <param name="Subject">The thing.</param>
/// <param name="IsGood">Whether it is as it should be.</param>
/// <param name="Found">What there is.</param>
/// <param name="Fix">What to do about it; empty when nothing is to be done.</param>
internal sealed record Finding(string Subject, bool IsGood, string Found, string Fix = "");
