using System.Numerics;

namespace Vmm.Kernel;

/// <summary>
/// What CPUID shows: the engine's leaves, what the kernel models itself (APIC, topology, time), then what handlers change.
/// </summary>
internal sealed class CpuidTable
{
    private const uint HighestBasicLeaf = 0x16;
    private const uint Apic = 1 << 9, Mtrr = 1 << 12, Htt = 1 << 28;
    private const uint Monitor = 1 << 3, Vmx = 1 << 5, Smx = 1 << 6, X2Apic = 1 << 21, TscDeadline = 1 << 24, Osxsave = 1 << 27, Hypervisor = 1u << 31;
    private const uint TscAdjust = 1 << 1;
    private const uint CrystalHertz = 1_000_000_000;

    private readonly Dictionary<uint, CpuidLeaf[]> _leaves;
    private readonly uint _processors;
    private readonly ulong? _timestampFrequency;
    private readonly bool _hasTimestampDeadline;
    private readonly List<(CpuidRange Range, ICpuidHandler Handler, GuardedHandler Guard)> _handlers = [];

    public CpuidTable(VmxCapabilities capabilities, int processors, ExitHandlers handlers, bool? hasTimestampDeadline = null)
    {
        // The kernel's timer counts the time source's ticks, which are the guest's only where it is asked for no other frequency.
        _hasTimestampDeadline = hasTimestampDeadline ?? capabilities.TimestampFrequency is null;
        _processors = (uint)processors;
        _timestampFrequency = capabilities.TimestampFrequency;
        _leaves = capabilities.Cpuid.GroupBy(l => l.Leaf).ToDictionary(g => g.Key, g => g.ToArray());
        CpuidResult state = Engine(0xD, 0);
        SupportedXcr0 = state.Eax | ((ulong)state.Edx << 32);
        Signature = Engine(1, 0).Eax;
        foreach ((_, object handler, GuardedHandler guard) in handlers.All)
        {
            if (handler is ICpuidHandler cpuid)
            {
                _handlers.AddRange(cpuid.CpuidRanges.Select(range => (range, cpuid, guard)));
            }
        }
    }

    /// <summary>XCR0 bits that may be set.</summary>
    public ulong SupportedXcr0 { get; }

    /// <summary>EAX of leaf 1: family, model, stepping.</summary>
    public uint Signature { get; }

    /// <summary>The result of CPUID on a processor.</summary>
    public CpuidResult Query(VirtualProcessor processor, uint leaf, uint subleaf)
    {
        CpuidResult result = Kernel(processor, leaf, subleaf);
        foreach ((CpuidRange range, ICpuidHandler handler, GuardedHandler guard) in _handlers)
        {
            if (leaf >= range.First && leaf <= range.Last && guard.Enabled)
            {
                CpuidResult before = result;
                try
                {
                    handler.Adjust(processor, leaf, subleaf, ref result);
                }
                catch (Exception e)
                {
                    guard.Fault($"CPUID leaf 0x{leaf:x}", e);
                    result = before;
                }
            }
        }

        return result;
    }

    private CpuidResult Kernel(VirtualProcessor processor, uint leaf, uint subleaf)
    {
        CpuidResult result = Engine(leaf, subleaf);
        var id = (uint)processor.Id.Index;
        switch (leaf)
        {
            case 0:
                result.Eax = Math.Max(result.Eax, HighestBasicLeaf);
                break;
            case 1:
                result.Ebx = (result.Ebx & 0xFFFF) | (Math.Min(_processors, 255) << 16) | (id << 24);
                result.Ecx = (result.Ecx & ~(Monitor | Vmx | Smx | Osxsave)) | X2Apic | Hypervisor;
                result.Ecx = _hasTimestampDeadline ? result.Ecx | TscDeadline : result.Ecx & ~TscDeadline;
                result.Ecx |= (processor.Vmcs[VmcsField.GuestCr4] & (ulong)Cr4Bits.Osxsave) != 0 ? Osxsave : 0;
                result.Edx = (result.Edx & ~(Apic | Htt)) | Mtrr | (_processors > 1 ? Htt : 0) | (processor.IsApicWithEngine || processor.Apic.IsEnabled ? Apic : 0);
                break;
            case 4 when (result.Eax & 0x1F) != 0:
                // Caches are private; the package has all cores (bits 31:26: number of core ids less 1).
                result.Eax = (result.Eax & 0x3FFF) | ((BitOperations.RoundUpToPowerOf2(_processors) - 1) << 26);
                break;
            case 6:
                result.Eax |= 1 << 2; // ARAT: the APIC timer never stops
                break;
            case 7 when subleaf == 0:
                result.Ebx |= TscAdjust;
                break;
            case 0xD when subleaf == 0:
                result.Ebx = SaveAreaSize(processor.Logical.Xcr0);
                break;
            case 0xB or 0x1F:
                result = Topology(subleaf, id);
                break;
            case 0x15:
                // One time-stamp tick a crystal tick, unless the engine has its own; the crystal also drives the APIC timer.
                result = _timestampFrequency is { } frequency
                    ? new CpuidResult(1_000_000, (uint)(frequency / 1000), CrystalHertz, 0)
                    : new CpuidResult(1, 1, CrystalHertz, 0);
                break;
            case 0x16:
                uint megahertz = (uint)((_timestampFrequency ?? CrystalHertz) / 1_000_000);
                result = new CpuidResult(megahertz, megahertz, 100, 0);
                break;
            case 0x8000_0007:
                result.Edx |= 1 << 8; // invariant TSC
                break;
            case 0x8000_0008:
                result.Ecx = _processors - 1;
                break;
        }

        return result;
    }

    /// <summary>Leaf 0DH: bytes of an XSAVE area in standard form with the components that XCR0 enables (SDM Vol. 1 13.2).</summary>
    private uint SaveAreaSize(ulong xcr0)
    {
        const uint LegacyRegionAndHeader = 576;
        uint size = LegacyRegionAndHeader;
        for (ulong left = xcr0 & ~3UL; left != 0; left &= left - 1)
        {
            CpuidResult component = Engine(0xD, (uint)BitOperations.TrailingZeroCount(left));
            size = Math.Max(size, component.Ebx + component.Eax);
        }

        return size;
    }

    /// <summary>Leaf 0BH: one thread a core, all cores in one package (SDM Vol. 3A 9.9.1).</summary>
    private CpuidResult Topology(uint subleaf, uint id)
    {
        const uint Smt = 1, Core = 2;
        var coreBits = (uint)BitOperations.Log2(BitOperations.RoundUpToPowerOf2(_processors));
        return subleaf switch
        {
            0 => new CpuidResult(0, 1, (Smt << 8) | subleaf, id),
            1 => new CpuidResult(coreBits, _processors, (Core << 8) | subleaf, id),
            _ => new CpuidResult(0, 0, subleaf & 0xFF, id),
        };
    }

    private CpuidResult Engine(uint leaf, uint subleaf)
    {
        if (_leaves.TryGetValue(leaf, out CpuidLeaf[]? entries))
        {
            foreach (CpuidLeaf entry in entries)
            {
                if (entry.Subleaf is null || entry.Subleaf == subleaf)
                {
                    return entry.Result;
                }
            }
        }

        return default;
    }
}
