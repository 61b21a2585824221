namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Where branches may go: to an INT3 of the code page, never into the instruction itself.</summary>
internal static class BranchTargets
{
    private const ulong LongestInstruction = 15;

    public static ulong Anywhere(ulong rip, CaseRandom random)
    {
        ulong target = CaseLayout.Code + (ulong)random.Below(CaseLayout.PageSize);
        return target - rip < LongestInstruction ? CaseLayout.Code : target;
    }

    /// <summary>A target that 8 bits of displacement reach.</summary>
    public static ulong Near(ulong rip, CaseRandom random)
    {
        ulong target = random.Chance(50) ? rip - 1 - (ulong)random.Below(120) : rip + LongestInstruction + (ulong)random.Below(110);
        target = Math.Clamp(target, CaseLayout.Code, CaseLayout.Code + CaseLayout.PageSize - 1);
        return target - rip < LongestInstruction ? rip - 1 : target;
    }
}
