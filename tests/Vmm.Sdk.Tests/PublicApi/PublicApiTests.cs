using System.Reflection;
using Vmm.Tests;

namespace Vmm.Sdk.Tests.PublicApi;

/// <summary>
/// sdk/PublicApi holds what vendors build on. A change shows up there, in review, or these tests fail. To write the
/// files anew: <c>VMM_UPDATE_PUBLIC_API=1 dotnet test tests/Vmm.Sdk.Tests</c>.
/// </summary>
public sealed class PublicApiTests
{
    private static readonly Assembly Contract = typeof(IDevice).Assembly;

    [Theory]
    [InlineData("Vmm.Sdk.Abstractions", typeof(IDevice))]
    [InlineData("Vmm.Sdk", typeof(DeviceModel))]
    public void The_tracked_file_lists_exactly_what_is_public(string name, Type typeInAssembly)
    {
        string actual = PublicApiText.Of(typeInAssembly.Assembly);
        string file = Repository.At("sdk", "PublicApi", name + ".txt");
        if (Environment.GetEnvironmentVariable("VMM_UPDATE_PUBLIC_API") == "1")
        {
            File.WriteAllText(file, actual);
        }

        string[] tracked = File.ReadAllLines(file);
        string[] current = actual.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] difference = [.. tracked.Except(current).Select(line => $"- {line}"), .. current.Except(tracked).Select(line => $"+ {line}")];
        Assert.True(
            tracked.SequenceEqual(current),
            $"{file} is out of date. Lines with '-' are broken promises to vendors (sdk/docs/compatibility.md); run with VMM_UPDATE_PUBLIC_API=1 to accept:\n{string.Join('\n', difference)}");
    }

    [Fact]
    public void The_assembly_version_of_the_contract_is_1_0_0_0_for_all_of_1_x() => Assert.Equal(new Version(1, 0, 0, 0), Contract.GetName().Version);

    [Fact]
    public void The_contract_references_the_base_class_library_alone()
    {
        string framework = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        Assert.All(Contract.GetReferencedAssemblies(), reference => Assert.True(File.Exists(Path.Combine(framework, reference.Name + ".dll")), $"{reference.Name} is no part of .NET"));
    }

    [Fact]
    public void The_contract_stays_under_2000_lines()
    {
        int lines = Directory.EnumerateFiles(Repository.At("sdk", "Vmm.Sdk.Abstractions"), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Sum(path => File.ReadLines(path).Count());
        Assert.InRange(lines, 1, 1999);
    }

    [Fact]
    public void No_interface_of_the_contract_has_more_than_8_members()
    {
        var wide = from type in Contract.GetExportedTypes()
                   where type.IsInterface
                   let members = type.GetMembers().Count(member => member is not MethodInfo { IsSpecialName: true })
                   where members > 8
                   select $"{type.Name}: {members}";
        Assert.Empty(wide);
    }
}
