namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>How cases end, beyond the exception vectors.</summary>
internal static class CaseResult
{
    /// <summary>The INT3 after the instruction: it raised nothing.</summary>
    public const ulong Breakpoint = 3;

    /// <summary>Plus an outcome: an end that no instruction of a case may have.</summary>
    public const ulong Unexpected = 0x100;

    public const ulong PageFault = 14;

    public const ulong SimdFloatingPoint = 19;

    public static string Name(ulong vector) => vector switch
    {
        0 => "#DE",
        Breakpoint => "completed",
        4 => "#OF",
        5 => "#BR",
        6 => "#UD",
        7 => "#NM",
        11 => "#NP",
        12 => "#SS",
        13 => "#GP",
        PageFault => "#PF",
        16 => "#MF",
        17 => "#AC",
        SimdFloatingPoint => "#XM",
        >= Unexpected => $"outcome {vector - Unexpected}",
        _ => $"vector {vector}",
    };
}
