namespace Vmm.EndToEnd.Tests.Vendor;

/// <summary>The vendor's sample, built once from the packages for all tests of a class.</summary>
public sealed class BuiltSample : IDisposable
{
    private readonly VendorWorkshop _vendor = new();

    public BuiltSample()
    {
        _vendor.PackSdk();
        _vendor.Build("1.0.0");
    }

    /// <summary>The plugin's folder.</summary>
    public string PluginFolder => _vendor.PluginFolder;

    public void Dispose() => _vendor.Dispose();
}
