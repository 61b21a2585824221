using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;
using Vmm.Tests;

namespace Vmm.Architecture.Tests;

/// <summary>Who may depend on whom: Sdk.Abstractions ← Vmx ← {Kernel, engines}; Kernel ← Machine ← {Cli, Daemon}.</summary>
public sealed class LayeringTests
{
    // What each project may reference of ours. The programs at the top choose an engine, so they alone see one.
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Vmm.Sdk.Abstractions"] = [],
        ["Vmm.Sdk"] = ["Vmm.Sdk.Abstractions"],
        ["Vmm.Sdk.Testing"] = ["Vmm.Sdk.Abstractions"],
        ["Vmm.Vmx"] = ["Vmm.Sdk.Abstractions"],
        ["Vmm.Kernel"] = ["Vmm.Vmx", "Vmm.Sdk.Abstractions"],
        ["Vmm.Engine.Software"] = ["Vmm.Vmx", "Vmm.Sdk.Abstractions"],
        ["Vmm.Engine.Kvm"] = ["Vmm.Vmx", "Vmm.Sdk.Abstractions"],
        ["Vmm.Machine"] = ["Vmm.Kernel", "Vmm.Vmx", "Vmm.Sdk.Abstractions"],
        ["Vmm.Cli"] = ["Vmm.Machine", "Vmm.Kernel", "Vmm.Vmx", "Vmm.Sdk.Abstractions", "Vmm.Engine.Software", "Vmm.Engine.Kvm"],
        ["Vmm.Daemon"] = ["Vmm.Machine", "Vmm.Kernel", "Vmm.Vmx", "Vmm.Sdk.Abstractions", "Vmm.Engine.Software", "Vmm.Engine.Kvm"],
    };

    public static TheoryData<string> Products => [.. Sources.Projects().Where(path => !path.StartsWith("tests/", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Products))]
    public void A_project_references_only_what_its_layer_may(string project)
    {
        IEnumerable<string> references =
            from reference in XDocument.Parse(Sources.Read(project)).Descendants("ProjectReference")
            where (string?)reference.Attribute("ReferenceOutputAssembly") != "false"
            select Path.GetFileNameWithoutExtension(((string)reference.Attribute("Include")!).Replace('\\', '/'));
        Assert.Empty(references.Except(AllowedTo(Path.GetFileNameWithoutExtension(project))));
    }

    /// <summary>By what was compiled, because a project reference also brings what lies behind it.</summary>
    [Theory]
    [MemberData(nameof(Products))]
    public void A_built_assembly_references_only_what_its_layer_may(string project)
    {
        string name = Path.GetFileNameWithoutExtension(project);
        string[] built = [.. Built(name == "Vmm.Cli" ? "vmm.dll" : name + ".dll", Path.GetDirectoryName(project)!)];
        foreach (string path in built)
        {
            using var image = new PEReader(File.OpenRead(path));
            MetadataReader metadata = image.GetMetadataReader();
            IEnumerable<string> references = metadata.AssemblyReferences
                .Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name))
                .Where(reference => reference.StartsWith("Vmm.", StringComparison.Ordinal) || reference == "vmm");
            Assert.Empty(references.Except(AllowedTo(name)));
        }
    }

    [Fact]
    public void Unsafe_code_is_allowed_only_where_it_is_named()
    {
        string[] named = ["Vmm.Cli", "Vmm.Engine.Kvm", "Vmm.Engine.Software", "Vmm.Kernel", "Vmm.Plugins.RawStorage"];
        IEnumerable<string> allowed =
            from project in Sources.Projects()
            where !project.StartsWith("tests/", StringComparison.Ordinal)
                && XDocument.Parse(Sources.Read(project)).Descendants("AllowUnsafeBlocks").Any(element => element.Value == "true")
            select Path.GetFileNameWithoutExtension(project);
        Assert.Equal(named, allowed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_contract_needs_no_package() =>
        Assert.Empty(XDocument.Parse(Sources.Read("sdk/Vmm.Sdk.Abstractions/Vmm.Sdk.Abstractions.csproj")).Descendants("PackageReference"));

    [Fact]
    public void The_solution_lists_every_project()
    {
        string solution = Sources.Read("Platform.sln").Replace('\\', '/');
        Assert.DoesNotContain(Sources.Projects(), project => !solution.Contains($"\"{project}\"", StringComparison.Ordinal));
    }

    private static IEnumerable<string> Built(string file, string projectFolder)
    {
        string[] folders = [Repository.At(projectFolder, "bin"), Repository.At("artifacts", "plugins")];
        return folders.Where(Directory.Exists).SelectMany(folder => Directory.EnumerateFiles(folder, file, SearchOption.AllDirectories));
    }

    private static string[] AllowedTo(string project) =>
        project.StartsWith("Vmm.Plugins.", StringComparison.Ordinal)
            ? ["Vmm.Sdk", "Vmm.Sdk.Abstractions"]
            : Allowed.GetValueOrDefault(project) ?? throw new InvalidOperationException($"{project} has no place in the layers yet: give it one here and in the design");
}
