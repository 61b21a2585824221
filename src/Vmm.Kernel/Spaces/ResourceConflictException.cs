namespace Vmm.Kernel;

/// <summary>Two claims on one resource.</summary>
/// <param name="Resource">The kind: <c>ports</c>, <c>memory</c>, <c>MSRs</c>.</param>
/// <param name="First">Owner, name and range of the claim that was there.</param>
/// <param name="Second">Owner, name and range of the claim that came second.</param>
public sealed record ResourceConflict(string Resource, string First, string Second)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Resource}: {First} overlaps {Second}";
}

/// <summary>Claims that collide, all of them at once.</summary>
public sealed class ResourceConflictException(IReadOnlyList<ResourceConflict> conflicts)
    : Exception($"{conflicts.Count} resource conflict(s); give one device of each pair another place:{Environment.NewLine}  "
                + string.Join(Environment.NewLine + "  ", conflicts))
{
    /// <summary>The conflicts.</summary>
    public IReadOnlyList<ResourceConflict> Conflicts { get; } = conflicts;
}
