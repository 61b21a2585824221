namespace Vmm.EndToEnd.Tests.Vendor;

/// <summary>The classes that share the built sample.</summary>
[CollectionDefinition(Name)]
public sealed class VendorCollection : ICollectionFixture<BuiltSample>
{
    public const string Name = "Vendor";
}
