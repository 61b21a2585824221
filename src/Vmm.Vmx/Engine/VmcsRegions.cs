using System.Collections.Concurrent;

namespace Vmm.Vmx;

/// <summary>The VMCS data of one machine by VMCS pointer, for engines that keep it themselves: a VMCS may move between processors.</summary>
/// <param name="revision">VMCS revision identifier, as in IA32_VMX_BASIC[30:0].</param>
public sealed class VmcsRegions(uint revision)
{
    private readonly ConcurrentDictionary<ulong, Vmcs> _regions = new();

    /// <summary>The VMCS at a pointer; one that nobody has used is clear and all zeros.</summary>
    /// <param name="pointer">VMCS pointer.</param>
    /// <param name="isNew">Whether nobody has used it.</param>
    public Vmcs At(ulong pointer, out bool isNew)
    {
        isNew = !_regions.TryGetValue(pointer, out Vmcs? region);
        return region ?? _regions.GetOrAdd(pointer, new Vmcs(revision));
    }

    /// <inheritdoc cref="At(ulong, out bool)"/>
    public Vmcs this[ulong pointer] => At(pointer, out _);
}
