using Vmm.Kernel.Plugins;
using Vmm.Tests;

namespace Vmm.Kernel.Tests.Plugins;

/// <summary>Plugins that were built against another contract than the host's.</summary>
public sealed class ContractVersionTests : PluginFolders
{
    [Fact]
    public void A_member_that_the_host_does_not_have_is_named()
    {
        BuildAgainstNewerContract(Device("acme.new", "new", "public long Now(IVirtualClock clock) => clock.NowPicoseconds;"));
        string host = typeof(IDevice).Assembly.GetName().Version!.ToString(3);
        Assert.StartsWith(
            $"new.dll needs IVirtualClock.NowPicoseconds, which contract {host} of this host does not have (built against version 1.1.0)", Refusal());
    }

    [Fact]
    public void A_type_that_the_host_does_not_have_is_named()
    {
        BuildAgainstNewerContract(Device("acme.new", "new", "public object? Hot(object o) => o as IHotPluggable;"));
        Assert.StartsWith("new.dll needs IHotPluggable, which contract", Refusal());
    }

    [Fact]
    public void A_changed_signature_is_noticed()
    {
        BuildAgainstNewerContract(Device("acme.new", "new", "public void Tell(IDeviceLog log) => log.Write(DeviceLogLevel.Debug, \"x\", 1);"));
        Assert.StartsWith("new.dll needs IDeviceLog.Write, which contract", Refusal());
    }

    [Fact]
    public void A_plugin_built_on_a_newer_contract_that_uses_only_what_the_host_has_is_accepted()
    {
        BuildAgainstNewerContract(Device("acme.new", "new", "public long Now(IVirtualClock clock) => clock.NowNanoseconds + clock.ToString()!.Length;"));

        using PluginHost host = Open();

        PluginCandidate candidate = Assert.Single(host.Report);
        Assert.True(candidate.Accepted, candidate.Refusal);
        Assert.Equal("1.1.0", candidate.Plugin!.ContractVersion);
        Assert.NotNull(host.OpenScope().Create<IDevice>(ContributionKind.Device, "new", new Given(), new Dictionary<Type, object>()));
    }

    [Fact]
    public void Another_major_version_is_refused()
    {
        string contract = PluginCompiler.Compile(Aside("contract"), "Vmm.Sdk.Abstractions", ContractSource("2.0.0.0"));
        PluginCompiler.Compile(Folder("new"), "new", Device("acme.new", "new"), contract);
        Assert.StartsWith("new.dll was built for contract 2.x; this host has 1.", Refusal());
    }

    private void BuildAgainstNewerContract(string source)
    {
        string contract = PluginCompiler.Compile(Aside("contract"), "Vmm.Sdk.Abstractions", ContractSource("1.0.0.0"));
        PluginCompiler.Compile(Folder("new"), "new", source.Replace("using Vmm.Sdk;", """
            using Vmm.Sdk;
            [assembly: System.Reflection.AssemblyMetadata("Vmm.Sdk.Abstractions", "1.1.0")]
            """), contract);
    }

    /// <summary>The contract with a new member, a new type and a new parameter, as one file.</summary>
    private static string ContractSource(string version)
    {
        string folder = Repository.At("sdk", "Vmm.Sdk.Abstractions");
        IEnumerable<string> sources = Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Select(path => File.ReadAllText(path).Replace("namespace Vmm.Sdk;", "namespace Vmm.Sdk {") + "}");
        return $"[assembly: System.Reflection.AssemblyVersion(\"{version}\")]\n" + string.Concat(sources)
            .Replace("long NowNanoseconds { get; }", "long NowNanoseconds { get; } long NowPicoseconds { get; }")
            .Replace("void Write(DeviceLogLevel level, string message);", "void Write(DeviceLogLevel level, string message, int code);")
            .Replace("public interface IMmioDevice", "public interface IHotPluggable; public interface IMmioDevice");
    }
}
