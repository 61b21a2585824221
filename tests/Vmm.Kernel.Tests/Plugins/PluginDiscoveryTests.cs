using System.Runtime.Loader;
using Vmm.Kernel.Plugins;

namespace Vmm.Kernel.Tests.Plugins;

public sealed class PluginDiscoveryTests : PluginFolders
{
    [Fact]
    public void Attributes_are_read_without_running_the_plugin()
    {
        Plugin("acme", """
            using Vmm.Sdk;
            [assembly: VmmPlugin("acme.leds", Description = "Things that shine")]
            [assembly: System.Reflection.AssemblyInformationalVersion("2.4.0+abcdef")]
            [assembly: System.Reflection.AssemblyMetadata("Vmm.Sdk.Abstractions", "1.0.0")]
            static class Start { [System.Runtime.CompilerServices.ModuleInitializer] internal static void Run() => throw new InvalidOperationException("code ran"); }
            [DeviceModel("leds", Description = "Eight LEDs", State = StateSupport.Unsupported, StateVersion = 3, OldestReadableState = 2)]
            public sealed class Leds : IDevice { public void Attach() { } public void Reset(ResetKind kind) { } }
            """);

        using PluginHost host = Open();

        PluginDescription plugin = host.FindPlugin("acme.leds");
        Assert.Equal(("2.4.0", "1.0.0", "Things that shine"), (plugin.Version, plugin.ContractVersion, plugin.Description));
        Assert.Equal(
            new ContributionDescription(ContributionKind.Device, "leds", "Eight LEDs", "acme.leds", "Leds", new DeclaredState(StateSupport.Unsupported, 3, 2)),
            host.Find(ContributionKind.Device, "leds"));
        Assert.DoesNotContain(AssemblyLoadContext.All.SelectMany(context => context.Assemblies), assembly => assembly.GetName().Name == "acme");
    }

    [Fact]
    public void Folders_are_taken_in_the_order_of_their_names()
    {
        Plugin("b", Device("acme.b", "b"));
        Plugin("a", Device("acme.a", "a"));
        Plugin("c", Device("acme.c", "c"));

        using PluginHost host = Open();

        Assert.Equal(["acme.a", "acme.b", "acme.c"], host.Report.Select(candidate => candidate.Plugin!.Id));
        Assert.All(host.Report, candidate => Assert.True(candidate.Accepted, candidate.Refusal));
    }

    [Fact]
    public void The_folder_of_one_plugin_may_be_named_itself()
    {
        string folder = Plugin("a", Device("acme.a", "a"));
        using PluginHost host = PluginHost.Open([folder]);
        Assert.Equal("acme.a", Assert.Single(host.Report).Plugin?.Id);
    }

    [Fact]
    public void A_folder_that_is_named_twice_counts_once()
    {
        Plugin("a", Device("acme.a", "a"));
        using PluginHost host = PluginHost.Open([Root, Root]);
        Assert.True(Assert.Single(host.Report).Accepted);
    }

    [Fact]
    public void A_folder_that_does_not_exist_is_refused() =>
        Assert.Contains("there is no folder", Assert.Throws<PluginException>(() => PluginHost.Open([Path.Combine(Root, "nowhere")])).Message);

    [Fact]
    public void One_broken_plugin_is_one_line_and_the_others_work()
    {
        File.WriteAllText(Path.Combine(Folder("broken"), "broken.dll"), "MZ, but not really");
        Plugin("good", Device("acme.good", "good"));

        using PluginHost host = Open();

        Assert.Equal([false, true], host.Report.Select(candidate => candidate.Accepted));
        Assert.Equal("acme.good", host.Find(ContributionKind.Device, "good").PluginId);
    }
}
