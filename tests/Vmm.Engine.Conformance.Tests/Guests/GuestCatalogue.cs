using Vmm.Engine.Conformance.Tests.Harness;

namespace Vmm.Engine.Conformance.Tests.Guests;

/// <summary>All guests of the suite.</summary>
internal static class GuestCatalogue
{
    public static IReadOnlyList<Guest> All { get; } =
    [
        .. PortGuests.All,
        .. MemoryGuests.All,
        .. EventGuests.All,
        .. SoftwareEventGuests.All,
        .. DebugGuests.All,
        .. SystemGuests.All,
        .. PagingGuests.All,
    ];

    public static Guest Find(string name) => All.Single(guest => guest.Name == name);
}
