using System.Text;
using Vmm.Engine.Software.Instructions.Xsave;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>CPUID: exactly what the engine implements (SDM Vol. 2A, CPUID page). Topology and APIC ids are the board's.</summary>
internal static unsafe class CpuidModel
{
    private const uint HighestBasic = 0xD;
    private const uint ExtendedBase = 0x8000_0000;
    private const uint HighestExtended = ExtendedBase + 8;

    /// <summary>
    /// Family 6, model 0x36, stepping 1: an in-order processor of Intel's. This one does not speculate either, and kernels
    /// then leave out work against speculation that would protect nothing.
    /// </summary>
    private const uint Signature = 0x0003_0661;

    /// <summary>Size of the XSAVE area for x87 and SSE: legacy region and header. AVX state follows.</summary>
    private const uint SaveAreaSize = AvxRegion.Offset;

    private const uint SaveAreaSizeWithAvx = AvxRegion.Offset + AvxRegion.Size;
    private const uint StateComponents = 7;
    private const ulong AvxComponent = 4;

    private const string Brand = "Vmm Software Processor";

    public static IReadOnlyList<CpuidLeaf> Leaves { get; } = Create();

    /// <summary>CPUID outside VMX operation, or when nobody adjusts it.</summary>
    public static CpuidResult Query(CpuState* s, uint leaf, uint subleaf)
    {
        // Beyond the highest leaf the highest basic one answers.
        if ((leaf < ExtendedBase && leaf > HighestBasic) || leaf > HighestExtended)
        {
            leaf = HighestBasic;
        }

        CpuidResult result = default;
        foreach (CpuidLeaf candidate in Leaves)
        {
            if (candidate.Leaf == leaf && (candidate.Subleaf is null || candidate.Subleaf == subleaf))
            {
                result = candidate.Result;
                break;
            }
        }

        if (leaf == 1)
        {
            result.Ebx |= (uint)LogicalProcessor.Of(s).Index << 24;
            result.Ecx |= (s->Cr4 & (ulong)Cr4Bits.Osxsave) != 0 ? 1u << 27 : 0;
        }

        // What the area takes with the components that XCR0 enables now.
        if (leaf == 0xD && subleaf == 0 && (s->Xcr0 & AvxComponent) != 0)
        {
            result.Ebx = SaveAreaSizeWithAvx;
        }

        return result;
    }

    private static List<CpuidLeaf> Create()
    {
        byte[] brand = new byte[48];
        Encoding.ASCII.GetBytes(Brand, brand);
        return
        [
            new(0, null, new(HighestBasic, Text("Genu"), Text("ntel"), Text("ineI"))),
            new(1, null, new(Signature, 8 << 8, (uint)FeatureEcx.All, (uint)FeatureEdx.All)),
            new(2, null, default),
            new(4, null, default),
            new(6, null, new(AlwaysRunningApicTimer, 0, 0, 0)),
            new(7, 0, new(0, (uint)ExtendedFeatureEbx.All, UserModeInstructionPrevention, FastShortRepMov)),
            new(0xD, 0, new(StateComponents, SaveAreaSize, SaveAreaSizeWithAvx, 0)),
            new(0xD, 1, new(1, 0, 0, 0)),
            new(0xD, 2, new(AvxRegion.Size, AvxRegion.Offset, 0, 0)),
            new(ExtendedBase, null, new(HighestExtended, 0, 0, 0)),
            new(ExtendedBase + 1, null, new(0, 0, LahfIn64Bit | Lzcnt, (uint)ExtendedEdx.All)),
            new(ExtendedBase + 2, null, BrandPart(brand, 0)),
            new(ExtendedBase + 3, null, BrandPart(brand, 16)),
            new(ExtendedBase + 4, null, BrandPart(brand, 32)),
            new(ExtendedBase + 7, null, new(0, 0, 0, InvariantTsc)),
            new(ExtendedBase + 8, null, new(HostPhysicalMemory.AddressBits | 48 << 8, 0, 0, 0)),
        ];
    }

    private static uint Text(string four) => BitConverter.ToUInt32(Encoding.ASCII.GetBytes(four));

    private static CpuidResult BrandPart(byte[] brand, int offset) => new(
        BitConverter.ToUInt32(brand, offset), BitConverter.ToUInt32(brand, offset + 4),
        BitConverter.ToUInt32(brand, offset + 8), BitConverter.ToUInt32(brand, offset + 12));

    private const uint AlwaysRunningApicTimer = 1 << 2;
    private const uint UserModeInstructionPrevention = 1 << 2;
    private const uint FastShortRepMov = 1 << 4;
    private const uint LahfIn64Bit = 1 << 0;
    private const uint Lzcnt = 1 << 5;
    private const uint InvariantTsc = 1 << 8;

    [Flags]
    private enum FeatureEcx : uint
    {
        Sse3 = 1u << 0,
        Pclmulqdq = 1u << 1,
        Ssse3 = 1u << 9,
        Fma = 1u << 12,
        Cmpxchg16B = 1u << 13,
        Pcid = 1u << 17,
        Sse41 = 1u << 19,
        Sse42 = 1u << 20,
        X2Apic = 1u << 21,
        Movbe = 1u << 22,
        Popcnt = 1u << 23,
        TscDeadline = 1u << 24,
        Aes = 1u << 25,
        Xsave = 1u << 26,
        Avx = 1u << 28,
        F16C = 1u << 29,
        Rdrand = 1u << 30,
        All = Sse3 | Pclmulqdq | Ssse3 | Fma | Cmpxchg16B | Pcid | Sse41 | Sse42 | X2Apic | Movbe | Popcnt | TscDeadline | Aes | Xsave | Avx | F16C
            | Rdrand,
    }

    [Flags]
    private enum FeatureEdx : uint
    {
        Fpu = 1u << 0,
        De = 1u << 2,
        Pse = 1u << 3,
        Tsc = 1u << 4,
        Msr = 1u << 5,
        Pae = 1u << 6,
        Mce = 1u << 7,
        Cx8 = 1u << 8,
        Apic = 1u << 9,
        Sep = 1u << 11,
        Mtrr = 1u << 12,
        Pge = 1u << 13,
        Mca = 1u << 14,
        Cmov = 1u << 15,
        Pat = 1u << 16,
        Pse36 = 1u << 17,
        Clfsh = 1u << 19,
        Mmx = 1u << 23,
        Fxsr = 1u << 24,
        Sse = 1u << 25,
        Sse2 = 1u << 26,
        All = Fpu | De | Pse | Tsc | Msr | Pae | Mce | Cx8 | Apic | Sep | Mtrr | Pge | Mca | Cmov | Pat | Pse36 | Clfsh | Mmx | Fxsr | Sse | Sse2,
    }

    [Flags]
    private enum ExtendedFeatureEbx : uint
    {
        Fsgsbase = 1u << 0,
        Bmi1 = 1u << 3,

        Avx2 = 1u << 5,

        /// <summary>The x87 data pointer is that of the last exception only.</summary>
        FdpExceptionOnly = 1u << 6,

        Smep = 1u << 7,
        Bmi2 = 1u << 8,
        EnhancedRepMovsb = 1u << 9,
        Invpcid = 1u << 10,

        /// <summary>x87 CS and DS are stored as zeros.</summary>
        X87SegmentsDeprecated = 1u << 13,

        Rdseed = 1u << 18,
        Adx = 1u << 19,
        Smap = 1u << 20,
        Clflushopt = 1u << 23,
        Sha = 1u << 29,
        All = Fsgsbase | Bmi1 | Avx2 | FdpExceptionOnly | Smep | Bmi2 | EnhancedRepMovsb | Invpcid | X87SegmentsDeprecated | Rdseed | Adx | Smap
            | Clflushopt | Sha,
    }

    [Flags]
    private enum ExtendedEdx : uint
    {
        Syscall = 1u << 11,
        Nx = 1u << 20,
        Pages1G = 1u << 26,
        Rdtscp = 1u << 27,
        LongMode = 1u << 29,
        All = Syscall | Nx | Pages1G | Rdtscp | LongMode,
    }
}
