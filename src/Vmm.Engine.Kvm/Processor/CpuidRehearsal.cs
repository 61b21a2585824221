using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>
/// KVM answers CPUID itself, from a table that it takes before the first entry (<c>KVM_SET_CPUID2</c>). The table is what
/// the sink answers when it is asked for every leaf in turn, by CPUID exits, so that board, kernel and exit handlers decide
/// as on every engine. Answers that change later, but for the bits that follow CR4 and XCR0, do not reach the guest.
/// </summary>
internal sealed unsafe class CpuidRehearsal(Func<uint, uint, CpuidResult?> ask)
{
    /// <summary>What KVM takes at most (KVM_MAX_CPUID_ENTRIES).</summary>
    public const int MaximumEntries = 256;

    private const int HeaderSize = 8, MaximumSubleaves = 64;
    private const uint Hypervisor = 0x4000_0000, Extended = 0x8000_0000, LargestHypervisorRange = 0x10, LargestRange = 0x20;

    private readonly List<KvmCpuidEntry> _entries = [];

    /// <summary>The entries so far.</summary>
    public IReadOnlyList<KvmCpuidEntry> Entries => _entries;

    /// <summary>Asks for everything.</summary>
    /// <returns>False when the sink left in the middle.</returns>
    public bool Run() =>
        AskRange(0, LargestRange) && AskRange(Hypervisor, LargestHypervisorRange) && AskRange(Extended, LargestRange);

    /// <summary>Gives KVM a table.</summary>
    /// <exception cref="KvmException">It is too long.</exception>
    public static void Set(KvmDescriptor vcpu, IReadOnlyList<KvmCpuidEntry> entries)
    {
        if (entries.Count > MaximumEntries)
        {
            throw new KvmException($"CPUID shows {entries.Count} leaves and sub-leaves, and KVM takes {MaximumEntries}: an exit handler shows too many.");
        }

        byte* buffer = stackalloc byte[HeaderSize + (MaximumEntries * sizeof(KvmCpuidEntry))];
        *(ulong*)buffer = (uint)entries.Count;
        for (int i = 0; i < entries.Count; i++)
        {
            ((KvmCpuidEntry*)(buffer + HeaderSize))[i] = entries[i];
        }

        vcpu.Request(KvmRequest.SetCpuid2, (nint)buffer);
    }

    /// <summary>An entry of the table.</summary>
    public static KvmCpuidEntry Entry(uint leaf, uint? subleaf, in CpuidResult result) => new()
    {
        Function = leaf,
        Index = subleaf ?? 0,
        Flags = subleaf is null ? 0 : KvmCpuidEntry.SignificantIndex,
        Eax = result.Eax,
        Ebx = result.Ebx,
        Ecx = result.Ecx,
        Edx = result.Edx,
    };

    private bool AskRange(uint first, uint largest)
    {
        if (ask(first, 0) is not { } head)
        {
            return false;
        }

        _entries.Add(Entry(first, null, head));
        uint last = head.Eax < first ? first : Math.Min(head.Eax, first + largest);
        for (uint leaf = first + 1; leaf <= last && leaf > first; leaf++)
        {
            if (!AskLeaf(leaf))
            {
                return false;
            }
        }

        return true;
    }

    private bool AskLeaf(uint leaf)
    {
        if (leaf is not (4 or 7 or 0xB or 0xD or 0x1F))
        {
            return Add(leaf, null, out _);
        }

        uint more = 1;
        for (uint subleaf = 0; subleaf < Math.Min(more, MaximumSubleaves); subleaf++)
        {
            if (!Add(leaf, subleaf, out CpuidResult result))
            {
                return false;
            }

            more = leaf switch
            {
                7 or 0xD when subleaf > 0 => more,
                7 => Math.Min(result.Eax, 2) + 1,
                0xD => 3, // x87 and SSE, extensions, AVX
                4 => (result.Eax & 0x1F) != 0 ? subleaf + 2 : more,
                _ => (result.Ecx & 0xFF00) != 0 ? subleaf + 2 : more,
            };
        }

        return true;
    }

    private bool Add(uint leaf, uint? subleaf, out CpuidResult result)
    {
        CpuidResult? answer = ask(leaf, subleaf ?? 0);
        result = answer.GetValueOrDefault();
        if (answer is not null)
        {
            _entries.Add(Entry(leaf, subleaf, result));
        }

        return answer is not null;
    }
}
