using Vmm.Kernel.Plugins;

namespace Vmm.Kernel.Tests.Plugins;

public sealed class PluginRefusalTests : PluginFolders
{
    [Fact]
    public void An_assembly_without_the_attribute_is_refused()
    {
        Plugin("plain", "public sealed class Plain;");
        Assert.Equal("no assembly in it is marked [assembly: VmmPlugin(\"vendor.name\")] (looked at plain.dll)", Refusal());
    }

    [Fact]
    public void A_file_that_is_no_assembly_is_refused()
    {
        File.WriteAllBytes(Path.Combine(Folder("native"), "native.dll"), [0x7F, .. "ELF"u8]);
        Assert.Equal("native.dll is not a .NET assembly", Refusal());
    }

    [Fact]
    public void A_truncated_assembly_is_refused()
    {
        string file = PluginCompiler.Compile(Folder("short"), "short", Device("acme.short", "short"), PluginCompiler.ContractPath);
        File.WriteAllBytes(file, File.ReadAllBytes(file)[..1200]);
        Assert.NotEmpty(Refusal());
    }

    [Fact]
    public void No_damage_to_an_assembly_gets_past_discovery_as_an_exception()
    {
        string file = PluginCompiler.Compile(Folder("damaged"), "damaged", Device("acme.damaged", "damaged"), PluginCompiler.ContractPath);
        byte[] whole = File.ReadAllBytes(file);
        var random = new Random(42);
        for (int round = 0; round < 300; round++)
        {
            byte[] damaged = [.. whole];
            for (int i = 0; i < 1 + (round % 16); i++)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            File.WriteAllBytes(file, damaged);
            using PluginHost host = Open();
            Assert.Single(host.Report);
        }
    }

    [Fact]
    public void An_empty_folder_is_refused()
    {
        Folder("empty");
        Assert.Equal("there is no .dll in it", Refusal());
    }

    [Fact]
    public void Two_plugins_in_one_folder_are_refused()
    {
        string folder = Plugin("both", Device("acme.a", "a"));
        PluginCompiler.Compile(folder, "second", Device("acme.b", "b"), PluginCompiler.ContractPath);
        Assert.Equal("there are 2 plugins in one folder (both.dll, second.dll): give each a folder of its own", Refusal());
    }

    [Fact]
    public void An_id_that_is_none_is_refused()
    {
        Plugin("a", Device("Acme LEDs", "a"));
        Assert.StartsWith("'Acme LEDs' is not a plugin id", Refusal());
    }

    [Fact]
    public void A_contribution_name_that_is_none_is_refused()
    {
        Plugin("a", Device("acme.a", "LED panel"));
        Assert.StartsWith("'LED panel' of Model is not a name for a device model", Refusal());
    }

    [Fact]
    public void Of_two_plugins_with_one_id_the_second_is_refused()
    {
        string first = Plugin("first", Device("acme.same", "a"));
        Plugin("second", Device("acme.same", "b"));

        using PluginHost host = Open();

        Assert.Equal($"its id acme.same is taken by the plugin in {first}: remove one of them", host.Report[1].Refusal);
        Assert.Throws<PluginException>(() => host.Find(ContributionKind.Device, "b"));
    }

    [Fact]
    public void Of_two_plugins_that_contribute_one_name_the_second_is_refused_whole()
    {
        string first = Plugin("first", Device("acme.first", "uart"));
        Plugin("second", Device("acme.second", "uart") + """
            [DeviceModel("other")] public sealed class Other : IDevice { public void Attach() { } public void Reset(ResetKind kind) { } }
            """);

        using PluginHost host = Open();

        Assert.Equal($"it contributes the device model 'uart', and so does plugin acme.first in {first}: remove one of them", host.Report[1].Refusal);
        Assert.Throws<PluginException>(() => host.Find(ContributionKind.Device, "other"));
        Assert.Equal("acme.first", host.Find(ContributionKind.Device, "uart").PluginId);
    }

    [Fact]
    public void One_name_twice_in_a_plugin_is_refused()
    {
        Plugin("a", Device("acme.a", "uart") + """
            [DeviceModel("uart")] public sealed class Other : IDevice { public void Attach() { } public void Reset(ResetKind kind) { } }
            """);
        Assert.Equal("it contributes the device model 'uart' twice", Refusal());
    }

    [Fact]
    public void A_private_copy_of_the_contract_is_refused()
    {
        string folder = Plugin("a", Device("acme.a", "a"));
        File.Copy(PluginCompiler.ContractPath, Path.Combine(folder, "Vmm.Sdk.Abstractions.dll"));
        Assert.StartsWith("it brings its own copy of the contract (Vmm.Sdk.Abstractions.dll)", Refusal());
    }

    [Fact]
    public void A_missing_dependency_is_refused_by_name()
    {
        string library = PluginCompiler.Compile(Aside("lib"), "Acme.Library", """[assembly: System.Reflection.AssemblyVersion("3.1.0.0")] public static class Library { public static int Answer => 42; }""");
        Plugin("a", Device("acme.a", "a", "public int Answer => Library.Answer;"), withSdk: false, library);
        Assert.StartsWith("a.dll needs Acme.Library 3.1.0.0, which is neither in the folder nor part of .NET", Refusal());
    }

    [Fact]
    public void A_missing_dependency_of_a_dependency_is_refused_by_name()
    {
        string inner = PluginCompiler.Compile(Aside("lib"), "Acme.Inner", "public static class Inner { public static int Answer => 42; }");
        string folder = Folder("a");
        string outer = PluginCompiler.Compile(folder, "Acme.Outer", "public static class Outer { public static int Answer => Inner.Answer; }", inner);
        PluginCompiler.Compile(folder, "a", Device("acme.a", "a", "public int Answer => Outer.Answer;"), PluginCompiler.ContractPath, outer);
        Assert.StartsWith("Acme.Outer.dll needs Acme.Inner 0.0.0.0", Refusal());
    }

    [Fact]
    public void A_library_of_the_host_is_no_dependency_that_a_plugin_may_lean_on()
    {
        Plugin("a", Device("acme.a", "a", "public object Host => typeof(Vmm.Kernel.Plugins.PluginHost);"), withSdk: false, typeof(PluginHost).Assembly.Location);
        Assert.StartsWith("a.dll needs Vmm.Kernel ", Refusal());
    }
}
