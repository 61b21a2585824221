using Vmm.Kernel.Plugins;

namespace Vmm.Kernel.Tests.Plugins;

/// <summary>A folder of plugins that lives as long as one test.</summary>
public abstract class PluginFolders : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("vmm-plugins-");

    protected string Root => Directory.CreateDirectory(Path.Combine(_root.FullName, "plugins")).FullName;

    public void Dispose()
    {
        _root.Delete(recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>A plugin that contributes one device model without options.</summary>
    protected static string Device(string id, string device, string body = "") =>
        $$"""
        using Vmm.Sdk;
        [assembly: VmmPlugin("{{id}}")]
        [DeviceModel("{{device}}")]
        public sealed class Model : IDevice
        {
            public void Attach() { }
            public void Reset(ResetKind kind) { }
            {{body}}
        }
        """;

    /// <summary>Makes the folder of a plugin, with a copy of the SDK's helpers if the source uses them.</summary>
    protected string Plugin(string folder, string source, bool withSdk = false, params string[] references)
    {
        string path = Folder(folder);
        if (withSdk)
        {
            File.Copy(PluginCompiler.SdkPath, Path.Combine(path, "Vmm.Sdk.dll"));
            references = [.. references, PluginCompiler.SdkPath];
        }

        PluginCompiler.Compile(path, folder, source, [PluginCompiler.ContractPath, .. references]);
        return path;
    }

    protected string Folder(string name) => Directory.CreateDirectory(Path.Combine(Root, name)).FullName;

    /// <summary>A folder outside the plugins', for libraries.</summary>
    protected string Aside(string name) => Directory.CreateDirectory(Path.Combine(_root.FullName, "aside", name)).FullName;

    protected PluginHost Open() => PluginHost.Open([Root]);

    /// <summary>The reason why the only plugin there was refused.</summary>
    protected string Refusal()
    {
        using PluginHost host = Open();
        PluginCandidate candidate = Assert.Single(host.Report);
        Assert.NotNull(candidate.Refusal);
        return candidate.Refusal;
    }
}
