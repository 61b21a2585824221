using Vmm.Kernel.Plugins;
using Vmm.Tests;

namespace Vmm.EndToEnd.Tests.Plugins;

/// <summary>The plugins that come with the platform are ordinary plugins: the host accepts and loads each.</summary>
public sealed class ShippedPluginsTests
{
    private static readonly string Folder = Repository.At("artifacts", "plugins", Harness.Build.Configuration);

    [Fact]
    public void Every_shipped_plugin_is_accepted()
    {
        using PluginHost host = PluginHost.Open([Folder]);
        Assert.NotEmpty(host.Report);
        Assert.All(host.Report, candidate => Assert.True(candidate.Accepted, $"{candidate.Folder}: {candidate.Refusal}"));
        Assert.All(host.Report, candidate => Assert.Equal("1.0.0", candidate.Plugin!.ContractVersion));
        Assert.All(host.Report, candidate => Assert.NotEmpty(candidate.Plugin!.Contributions));
    }

    [Fact]
    public void Every_option_of_a_shipped_contribution_is_described()
    {
        using PluginHost host = PluginHost.Open([Folder]);
        PluginCandidate[] accepted = [.. host.Report.Where(candidate => candidate.Accepted)];
        var undescribed = from candidate in accepted
                          from contribution in candidate.Plugin!.Contributions
                          from option in host.Options(contribution)
                          where option.Description.Length == 0
                          select $"{contribution.Name}: {option.Name}";
        Assert.Empty(undescribed);
        Assert.All(accepted.SelectMany(candidate => candidate.Plugin!.Contributions), contribution => Assert.NotEmpty(contribution.Description));
    }
}
