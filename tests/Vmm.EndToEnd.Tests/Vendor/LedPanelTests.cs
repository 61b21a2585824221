using Moq;
using Vmm.Kernel.Plugins;
using Vmm.Sdk;

namespace Vmm.EndToEnd.Tests.Vendor;

/// <summary>A vendor's plugin from packages alone: pack, restore, build, load.</summary>
[Collection(VendorCollection.Name)]
public sealed class LedPanelTests(BuiltSample sample)
{
    [Fact]
    public void The_sample_builds_from_the_packages_and_loads()
    {
        Assert.False(File.Exists(Path.Combine(sample.PluginFolder, "Vmm.Sdk.Abstractions.dll")), "the contract was copied to the plugin");

        using PluginHost host = PluginHost.Open([sample.PluginFolder]);
        PluginCandidate candidate = Assert.Single(host.Report);
        Assert.True(candidate.Accepted, candidate.Refusal);
        Assert.Equal(("acme.led-panel", "1.0.0"), (candidate.Plugin!.Id, candidate.Plugin.ContractVersion));

        var ports = new Mock<IPortSpace>();
        var device = host.OpenScope().Create<IDevice>(
            ContributionKind.Device, "acme-led-panel", Given("port", "0x80"),
            new Dictionary<Type, object> { [typeof(IDeviceContext)] = Mock.Of<IDeviceContext>(context => context.Ports == ports.Object) });
        device.Attach();
        ports.Verify(p => p.Claim("leds", 0x80, 1, AccessWidths.Byte, (IPortDevice)device));
        ((IPortDevice)device).Write(0, AccessWidth.Byte, 0x5A);
        Assert.Equal(0x5AUL, ((IPortDevice)device).Read(0, AccessWidth.Byte));
    }

    [Fact]
    public void Built_against_a_later_contract_it_is_refused_when_it_uses_what_is_new_and_accepted_when_not()
    {
        using var vendor = new VendorWorkshop();
        vendor.PackLaterSdk("1.1.0", "Time/IVirtualClock.cs", "    long NowNanoseconds { get; }", """
                long NowNanoseconds { get; }

                /// <summary>Something that version 1.1 adds.</summary>
                long NowPicoseconds { get; }
            """);

        vendor.Build("1.1.0");
        using (PluginHost host = PluginHost.Open([vendor.PluginFolder]))
        {
            PluginCandidate unchanged = Assert.Single(host.Report);
            Assert.True(unchanged.Accepted, unchanged.Refusal);
            Assert.Equal("1.1.0", unchanged.Plugin!.ContractVersion);
        }

        string source = File.ReadAllText(vendor.SourceFile);
        File.WriteAllText(vendor.SourceFile, source.Replace("=> _leds = 0;", "=> _leds = (byte)context.Clock.NowPicoseconds;"));
        vendor.Build("1.1.0");
        using (PluginHost host = PluginHost.Open([vendor.PluginFolder]))
        {
            Assert.StartsWith(
                "LedPanel.dll needs IVirtualClock.NowPicoseconds, which contract 1.0.0 of this host does not have (built against version 1.1.0)",
                Assert.Single(host.Report).Refusal);
            Assert.Contains("was refused", Assert.Throws<PluginException>(() => host.Find(ContributionKind.Device, "acme-led-panel")).Message);
        }
    }

    private static IOptionReader Given(string key, string value) =>
        Mock.Of<IOptionReader>(options => options.Source == "--device acme-led-panel" && options.Keys == new[] { key } && options.Find(key) == value);
}
