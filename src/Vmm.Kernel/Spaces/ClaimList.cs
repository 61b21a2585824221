using System.Text;

namespace Vmm.Kernel;

/// <summary>
/// The claims of a space, which devices and base-address registers move: where each is, by the names of its device and
/// its region.
/// </summary>
internal sealed class ClaimList
{
    private const int LongestName = 1024;
    private const byte Enabled = 1, Mapped = 2;

    private readonly Lock _lock = new();
    private readonly List<RegionClaim> _claims = [];

    public void Add(RegionClaim claim)
    {
        lock (_lock)
        {
            _claims.RemoveAll(c => c.Disposed);
            _claims.Add(claim);
        }
    }

    public void Save(IStateWriter state)
    {
        int number = 0;
        foreach (RegionClaim claim in Present())
        {
            state.Section(++number, section =>
            {
                section.Bytes((int)ClaimField.Name, Encoding.UTF8.GetBytes(NameOf(claim)));
                section.UInt64((int)ClaimField.First, claim.First);
                section.UInt8((int)ClaimField.Flags, (byte)((claim.Enabled ? Enabled : 0) | (claim.Mapped ? Mapped : 0)));
            });
        }
    }

    /// <summary>Puts every claim where it was.</summary>
    /// <exception cref="StateException">A claim is missing on either side, or two overlap.</exception>
    public void Restore(StateReader state)
    {
        List<RegionClaim> left = Present();
        left.ForEach(claim => claim.TakeOut());
        for (int number = 1; state.Section(number) is { } section; number++)
        {
            string name = Encoding.UTF8.GetString(section.Bytes((int)ClaimField.Name, LongestName).Span);
            ulong first = section.UInt64((int)ClaimField.First);
            byte flags = section.UInt8((int)ClaimField.Flags);
            section.RequireAllRead();
            RegionClaim claim = left.Find(c => NameOf(c) == name)
                ?? throw new StateException($"region '{name}' does not exist here.");
            left.Remove(claim);
            if (!claim.Place(first, (flags & Enabled) != 0, (flags & Mapped) != 0))
            {
                throw new StateException($"region '{name}' cannot be at 0x{first:x}: another one is there, or it is too high.");
            }
        }

        if (left.Count != 0)
        {
            throw new StateException($"nothing is said of region '{NameOf(left[0])}'.");
        }
    }

    private static string NameOf(RegionClaim claim) => $"{claim.Owner.Name}/{claim.Name}";

    private List<RegionClaim> Present()
    {
        lock (_lock)
        {
            return _claims.FindAll(claim => !claim.Disposed);
        }
    }
}
