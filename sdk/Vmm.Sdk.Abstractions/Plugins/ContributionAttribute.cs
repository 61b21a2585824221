namespace Vmm.Sdk;

/// <summary>
/// Base of the attributes that mark a public type as a contribution. The name is what configuration files and the
/// command line use; it is unique among all contributions of one kind in all loaded plugins.
/// </summary>
/// <param name="name">Name of the contribution: lower case letters, digits and hyphens.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public abstract class ContributionAttribute(string name) : Attribute
{
    /// <summary>The name that configuration uses.</summary>
    public string Name { get; } = name;

    /// <summary>One sentence for <c>vmm plugin list</c>.</summary>
    public string? Description { get; init; }
}

/// <summary>Base of the attributes of contributions that may have state to save with the VM.</summary>
/// <inheritdoc/>
public abstract class StatefulContributionAttribute(string name) : ContributionAttribute(name)
{
    /// <summary>
    /// Whether it can be saved. Declared, so that a save is refused before it starts, not in its middle. Device models
    /// are <see cref="StateSupport.Saved"/> unless they say otherwise, the others have no state.
    /// </summary>
    public StateSupport State { get; init; } = StateSupport.None;

    /// <summary>Version of the state that <see cref="IStateful.Save"/> writes; at least 1.</summary>
    public int StateVersion { get; init; } = 1;

    /// <summary>Oldest state version that <see cref="IStateful.Restore"/> still reads.</summary>
    public int OldestReadableState { get; init; } = 1;
}

/// <summary>Marks a device model; the type implements <see cref="IDevice"/>.</summary>
public sealed class DeviceModelAttribute : StatefulContributionAttribute
{
    /// <summary>Marks a device model.</summary>
    /// <param name="name">The device type, as in <c>--device NAME</c>.</param>
    public DeviceModelAttribute(string name)
        : base(name) => State = StateSupport.Saved;
}

/// <summary>Marks a storage backend; the type implements <see cref="IBlockBackend"/>.</summary>
/// <param name="name">The format, as in <c>--disk format=NAME</c>.</param>
public sealed class BlockBackendAttribute(string name) : StatefulContributionAttribute(name);

/// <summary>Marks a scheduler; the type implements <see cref="IVcpuScheduler"/>.</summary>
/// <param name="name">The scheduler, as in <c>--scheduler NAME</c>.</param>
public sealed class SchedulerAttribute(string name) : ContributionAttribute(name);

/// <summary>
/// Marks an exit handler; the type implements one or more of <see cref="IExitHandler"/>, <see cref="IMsrHandler"/>,
/// <see cref="ICpuidHandler"/> and <see cref="IHypercallHandler"/>.
/// </summary>
/// <param name="name">The handler's name in configuration.</param>
public sealed class ExitHandlerAttribute(string name) : StatefulContributionAttribute(name);

/// <summary>Marks a network backend; the type implements <see cref="INetworkBackend"/>.</summary>
/// <param name="name">The backend, as in <c>--net NAME</c>.</param>
public sealed class NetworkBackendAttribute(string name) : ContributionAttribute(name);
