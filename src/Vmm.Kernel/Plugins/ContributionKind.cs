namespace Vmm.Kernel.Plugins;

/// <summary>What a plugin can contribute. Names are unique within a kind.</summary>
public enum ContributionKind
{
    /// <summary>A device model.</summary>
    Device,

    /// <summary>A storage backend.</summary>
    BlockBackend,

    /// <summary>A scheduler.</summary>
    Scheduler,

    /// <summary>An exit handler.</summary>
    ExitHandler,

    /// <summary>A network backend.</summary>
    NetworkBackend,
}

/// <summary>What goes with each kind: its attribute in the contract, the contract its types implement, and its name for people.</summary>
internal static class ContributionKinds
{
    private static readonly (ContributionKind Kind, Type Attribute, Type[] Contracts, string Noun)[] All =
    [
        (ContributionKind.Device, typeof(DeviceModelAttribute), [typeof(IDevice)], "device model"),
        (ContributionKind.BlockBackend, typeof(BlockBackendAttribute), [typeof(IBlockBackend)], "storage backend"),
        (ContributionKind.Scheduler, typeof(SchedulerAttribute), [typeof(IVcpuScheduler)], "scheduler"),
        (ContributionKind.ExitHandler, typeof(ExitHandlerAttribute),
            [typeof(IExitHandler), typeof(IMsrHandler), typeof(ICpuidHandler), typeof(IHypercallHandler)], "exit handler"),
        (ContributionKind.NetworkBackend, typeof(NetworkBackendAttribute), [typeof(INetworkBackend)], "network backend"),
    ];

    public static string Noun(this ContributionKind kind) => All[(int)kind].Noun;

    /// <summary>The interfaces of which a contribution implements at least one.</summary>
    public static IReadOnlyList<Type> Contracts(this ContributionKind kind) => All[(int)kind].Contracts;

    /// <summary>The kind that an attribute marks, or null for any other attribute.</summary>
    public static ContributionKind? OfAttribute(string fullName) =>
        All.Where(entry => entry.Attribute.FullName == fullName).Select(entry => (ContributionKind?)entry.Kind).FirstOrDefault();
}
