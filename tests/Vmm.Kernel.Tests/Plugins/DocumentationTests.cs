using System.Text.RegularExpressions;
using Vmm.Kernel.Plugins;
using Vmm.Tests;

namespace Vmm.Kernel.Tests.Plugins;

/// <summary>What the guides show is what works: every whole plugin in them compiles and loads.</summary>
public sealed partial class DocumentationTests : PluginFolders
{
    [Theory]
    [InlineData("write-a-device.md", ContributionKind.Device, "acme-countdown")]
    [InlineData("write-a-virtio-device.md", ContributionKind.Device, "acme-echo")]
    [InlineData("write-a-storage-backend.md", ContributionKind.BlockBackend, "acme-counting")]
    [InlineData("write-a-network-backend.md", ContributionKind.NetworkBackend, "acme-mirror")]
    [InlineData("write-a-scheduler.md", ContributionKind.Scheduler, "acme-fifo")]
    [InlineData("write-an-exit-handler.md", ContributionKind.ExitHandler, "acme-scratch")]
    public void The_plugin_in_a_guide_compiles_and_loads(string guide, ContributionKind kind, string name)
    {
        string source = Code.Match(File.ReadAllText(Repository.At("sdk", "docs", guide))).Groups[1].Value;
        Plugin("plugin", source, withSdk: true);

        using PluginHost host = Open();
        Assert.True(host.Report[0].Accepted, host.Report[0].Refusal);
        object contribution = host.OpenScope().Create<object>(kind, name, new Given(), new Dictionary<Type, object>
        {
            [typeof(IDeviceContext)] = Moq.Mock.Of<IDeviceContext>(),
            [typeof(InnerBlockBackend)] = new InnerBlockBackend(Moq.Mock.Of<IBlockBackend>()),
        });
        Assert.NotNull(contribution);
    }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code { get; }
}
