using System.Runtime.InteropServices;
using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Native;

/// <summary>What the processor under the test can do.</summary>
internal static class HostProcessor
{
    private static readonly HashSet<string> Flags = ReadFlags();

    // Where Iced's name, in lower case, is not the kernel's.
    private static readonly Dictionary<CpuidFeature, string> KernelNames = new()
    {
        [CpuidFeature.ADX] = "adx",
        [CpuidFeature.CMPXCHG16B] = "cx16",
        [CpuidFeature.CX8] = "cx8",
        [CpuidFeature.FXSR] = "fxsr",
        [CpuidFeature.LZCNT] = "abm",
        [CpuidFeature.MULTIBYTENOP] = "lm",
        [CpuidFeature.PCLMULQDQ] = "pclmulqdq",
        [CpuidFeature.SSE3] = "pni",
        [CpuidFeature.X64] = "lm",
        [CpuidFeature.CLFSH] = "clflush",
        [CpuidFeature.PREFETCHW] = "3dnowprefetch",
        [CpuidFeature.SEP] = "sep",
        [CpuidFeature.SHA] = "sha_ni",
        [CpuidFeature.PAUSE] = "sse2",
    };

    /// <summary>Why nothing can run natively here; null when it can.</summary>
    public static string? Obstacle { get; } =
        !OperatingSystem.IsLinux() ? "native runs need Linux"
        : RuntimeInformation.ProcessArchitecture != Architecture.X64 ? "native runs need an x86-64 processor"
        : !Flags.Contains("fsgsbase") ? "native runs need FSGSBASE for user programs"
        : null;

    /// <summary>Whether there are upper halves of vector registers to load and to compare.</summary>
    public static bool HasAvx { get; } = Flags.Contains("avx");

    /// <summary>Name of the processor, for the summary.</summary>
    public static string Name { get; } = ReadLine("model name");

    /// <summary>Whether the processor has everything that an instruction form needs.</summary>
    public static bool Supports(Code code)
    {
        foreach (CpuidFeature feature in code.CpuidFeatures())
        {
            if (!Supports(feature))
            {
                return false;
            }
        }

        return true;
    }

    private static bool Supports(CpuidFeature feature)
    {
        string name = feature.ToString();
        return name.StartsWith("INTEL", StringComparison.Ordinal)
            || name.StartsWith("FPU", StringComparison.Ordinal)
            || feature is CpuidFeature.CPUID or CpuidFeature.SMM
            || Flags.Contains(KernelNames.GetValueOrDefault(feature, name.ToLowerInvariant()));
    }

    private static HashSet<string> ReadFlags() => [.. ReadLine("flags").Split(' ')];

    private static string ReadLine(string key)
    {
        const string File = "/proc/cpuinfo";
        string? line = System.IO.File.Exists(File)
            ? System.IO.File.ReadLines(File).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal))
            : null;
        return line is null ? "" : line[(line.IndexOf(':') + 1)..].Trim();
    }
}
