using Vmm.Engine.Kvm.Host;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>
/// What CPUID may show, from <c>KVM_GET_SUPPORTED_CPUID</c>, less the features whose state the engine-neutral form cannot
/// carry (beyond AVX), whose MSRs nobody models (PMU, speculation control, tracing) or that belong to nested guests.
/// </summary>
internal static unsafe class SupportedCpuid
{
    private const int MaximumEntries = 256;
    private const int HeaderSize = 8;
    private const uint Xcr0 = 7, SaveAreaSize = 832;

    // Leaf 1: MONITOR, VMX, SMX, PDCM, OSXSAVE; debug store.
    private const uint NotInFeatureEcx = 1u << 3 | 1 << 5 | 1 << 6 | 1 << 15 | 1 << 27;
    private const uint NotInFeatureEdx = 1u << 21;

    // Leaf 7: TSX, SGX, MPX, PQM, PQE, AVX-512, PT.
    private const uint NotInExtendedEbx =
        1u << 2 | 1 << 4 | 1 << 11 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 21 | 1 << 25 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 30 | 1u << 31;
    private const uint InExtendedEcx = 1u << 2 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 22 | 1 << 27 | 1 << 28; // UMIP, GFNI, VAES, VPCLMULQDQ, RDPID, MOVDIRI, MOVDIR64B
    private const uint InExtendedEdx = 1u << 4 | 1 << 14; // fast short REP MOV, SERIALIZE

    private const uint AlwaysRunningApicTimer = 1 << 2;
    private const uint Svm = 1 << 2;

    public static IReadOnlyList<CpuidLeaf> Read(KvmDevice device)
    {
        byte[] buffer = new byte[HeaderSize + (MaximumEntries * sizeof(KvmCpuidEntry))];
        fixed (byte* pointer = buffer)
        {
            *(uint*)pointer = MaximumEntries;
            device.Request(KvmRequest.GetSupportedCpuid, (nint)pointer);
            var entries = new ReadOnlySpan<KvmCpuidEntry>(pointer + HeaderSize, *(int*)pointer);
            List<CpuidLeaf> leaves = [];
            foreach (KvmCpuidEntry entry in entries)
            {
                uint? subleaf = (entry.Flags & KvmCpuidEntry.SignificantIndex) != 0 ? entry.Index : null;
                if (Filter(entry) is { } result)
                {
                    leaves.Add(new CpuidLeaf(entry.Function, subleaf, result));
                }
            }

            return leaves;
        }
    }

    /// <summary>Bits of guest-physical addresses, as far as the VMX checks go.</summary>
    public static int PhysicalAddressBits(IEnumerable<CpuidLeaf> leaves) =>
        (int)Math.Clamp(leaves.FirstOrDefault(leaf => leaf.Leaf == 0x8000_0008).Result.Eax & 0xFF, 36, 52);

    private static CpuidResult? Filter(in KvmCpuidEntry entry)
    {
        var result = new CpuidResult(entry.Eax, entry.Ebx, entry.Ecx, entry.Edx);
        switch (entry.Function)
        {
            case 0:
                result.Eax = Math.Min(result.Eax, 0x16);
                return result;
            case 1:
                result.Ecx &= ~NotInFeatureEcx;
                result.Edx &= ~NotInFeatureEdx;
                return result;
            case 2 or 4:
                return result;
            case 6:
                return new CpuidResult(result.Eax & AlwaysRunningApicTimer, 0, 0, 0);
            case 7 when entry.Index == 0:
                return new CpuidResult(0, result.Ebx & ~NotInExtendedEbx, result.Ecx & InExtendedEcx, result.Edx & InExtendedEdx);
            case 0xD:
                return entry.Index switch
                {
                    0 => new CpuidResult((uint)(result.Eax & Xcr0), SaveAreaSize, SaveAreaSize, 0),
                    1 => new CpuidResult(result.Eax & 7, 0, 0, 0), // XSAVEOPT, XSAVEC, XGETBV with ECX 1
                    2 => result,
                    _ => null,
                };
            case 0x8000_0000:
                result.Eax = Math.Min(result.Eax, 0x8000_0008);
                return result;
            case 0x8000_0001:
                result.Ecx &= ~Svm;
                return result;
            case > 0x8000_0001 and <= 0x8000_0007:
                return result;
            case 0x8000_0008:
                return new CpuidResult(result.Eax, 0, 0, 0);
            default:
                return null;
        }
    }
}
