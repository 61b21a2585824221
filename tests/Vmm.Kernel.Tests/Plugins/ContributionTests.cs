using Moq;
using Vmm.Kernel.Plugins;

namespace Vmm.Kernel.Tests.Plugins;

/// <summary>Creating what plugins contribute.</summary>
public sealed class ContributionTests : PluginFolders
{
    private static readonly Dictionary<Type, object> NoServices = [];

    private const string LedPanel = """
        using Vmm.Sdk;
        [assembly: VmmPlugin("acme.leds")]
        public sealed record LedOptions { [OptionRange(0, 0xFFF8), OptionDescription("First port")] public ushort Port { get; init; } = 0x2E0; public bool Bright { get; init; } }
        [DeviceModel("leds")]
        public sealed class Leds(LedOptions options, IDeviceContext context) : DeviceModel, IPortDevice
        {
            public override void Attach() => context.Ports.Claim(options.Bright ? "bright" : "dim", options.Port, 1, AccessWidths.Byte, this);
            public ulong Read(uint offset, AccessWidth width) => 0xA5;
            public void Write(uint offset, AccessWidth width, ulong value) { }
        }
        """;

    [Fact]
    public void A_device_gets_its_typed_options_and_its_services()
    {
        Plugin("leds", LedPanel, withSdk: true);
        using PluginHost host = Open();
        var ports = new Mock<IPortSpace>();

        var device = host.OpenScope().Create<IDevice>(
            ContributionKind.Device, "leds", new Given(("port", "0x80"), ("bright", "on")), Services<IDeviceContext>(Mock.Of<IDeviceContext>(c => c.Ports == ports.Object)));
        device.Attach();

        ports.Verify(p => p.Claim("bright", 0x80, 1, AccessWidths.Byte, (IPortDevice)device));
        Assert.IsAssignableFrom<IStateful>(device);
    }

    [Fact]
    public void The_helpers_are_the_plugins_own_and_the_contract_is_the_hosts()
    {
        Plugin("leds", LedPanel, withSdk: true);
        using PluginHost host = Open();
        var device = host.OpenScope().Create<IDevice>(ContributionKind.Device, "leds", new Given(), Services(Mock.Of<IDeviceContext>()));

        Type baseClass = device.GetType().BaseType!;
        Assert.StartsWith(Root, baseClass.Assembly.Location);
        Assert.Same(typeof(IDevice).Assembly, baseClass.GetInterface(nameof(IDevice))!.Assembly);
    }

    [Fact]
    public void The_options_of_a_contribution_are_listed()
    {
        Plugin("leds", LedPanel, withSdk: true);
        using PluginHost host = Open();
        Assert.Equal(
            [new OptionInfo("port", "0..65528", "736", "First port"), new OptionInfo("bright", "on|off", "off", "")],
            host.Options(host.Find(ContributionKind.Device, "leds")));
    }

    [Theory]
    [InlineData("prot", "1", "--device test: option 'prot': is not known; did you mean 'port'? (known: bright, port)")]
    [InlineData("port", "com1", "--device test: option 'port': 'com1' is not an integer (decimal, 0x hexadecimal, or with a suffix K, M, G or T)")]
    [InlineData("port", "0xFFFF", "--device test: option 'port': 0xFFFF is out of range: 0x0 to 0xFFF8")]
    public void A_bad_option_is_refused_with_source_key_and_remedy(string key, string value, string message)
    {
        Plugin("leds", LedPanel, withSdk: true);
        using PluginHost host = Open();
        var refusal = Assert.Throws<OptionException>(() =>
            host.OpenScope().Create<IDevice>(ContributionKind.Device, "leds", new Given((key, value)), Services(Mock.Of<IDeviceContext>())));
        Assert.Equal(message, refusal.Message);
    }

    [Fact]
    public void An_option_for_something_that_takes_none_is_refused()
    {
        Assert.Equal(
            "--device test: option 'port': is not known; the device model 'a' takes no options",
            Assert.Throws<OptionException>(() => Create(Device("acme.a", "a"), "a", new Given(("port", "1")))).Message);
    }

    [Fact]
    public void An_unknown_name_is_refused_with_the_nearest()
    {
        Plugin("a", Device("acme.a", "uart16550"));
        Plugin("b", Device("acme.b", "rtc"));
        using PluginHost host = Open();
        Assert.Equal(
            "there is no device model 'uart16650'; did you mean 'uart16550'? (installed: rtc, uart16550)",
            Assert.Throws<PluginException>(() => host.Find(ContributionKind.Device, "uart16650")).Message);
        Assert.Equal(
            "there is no scheduler 'uart16550'; there are none",
            Assert.Throws<PluginException>(() => host.Find(ContributionKind.Scheduler, "uart16550")).Message);
    }

    [Fact]
    public void A_refused_plugin_is_remembered_when_its_contribution_is_asked_for()
    {
        Plugin("a", Device("acme.a", "a"));
        Folder("b");
        using PluginHost host = Open();
        Assert.EndsWith("; 1 plugin was refused, see 'vmm plugin list'", Assert.Throws<PluginException>(() => host.Find(ContributionKind.Device, "b")).Message);
    }

    [Fact]
    public void A_constructor_that_throws_is_reported_with_plugin_contribution_and_reason()
    {
        var refusal = Assert.Throws<PluginException>(() => Create(Device("acme.a", "a", "public Model() => throw new InvalidOperationException(\"the LEDs are out\");"), "a", new Given()));
        Assert.Equal("plugin acme.a: device model 'a' could not be created (--device test): the LEDs are out", refusal.Message);
        Assert.IsType<InvalidOperationException>(refusal.InnerException);
    }

    [Fact]
    public void A_constructor_may_read_options_itself_and_refuse_them()
    {
        string source = Device("acme.a", "a", """public Model(IOptionReader options) => throw new OptionException(options.Source, "path", $"there is no file {options.Find("path")}");""");
        Assert.Equal(
            "--device test: option 'path': there is no file disk.img",
            Assert.Throws<OptionException>(() => Create(source, "a", new Given(("path", "disk.img")))).Message);
    }

    [Fact]
    public void A_service_that_is_not_offered_is_named()
    {
        Assert.Equal(
            "plugin acme.a: device model 'a': its constructor asks for IPciSlot slot, which is not offered here (offered: IOptionReader)",
            Assert.Throws<PluginException>(() => Create(Device("acme.a", "a", "public Model(IPciSlot slot) { }"), "a", new Given())).Message);
    }

    [Fact]
    public void A_service_with_a_default_is_optional() =>
        Assert.NotNull(Create(Device("acme.a", "a", "public Model(IPciSlot? slot = null) { }"), "a", new Given()));

    [Fact]
    public void Two_constructors_are_refused() =>
        Assert.Contains(
            "Model has 2 public constructors; it needs exactly one",
            Assert.Throws<PluginException>(() => Create(Device("acme.a", "a", "public Model() { } public Model(IPciSlot s) { }"), "a", new Given())).Message);

    [Fact]
    public void A_type_that_does_not_implement_its_contract_is_refused() =>
        Assert.Equal(
            "plugin acme.a: device model 'a': Model does not implement IDevice",
            Assert.Throws<PluginException>(() => Create("""[assembly: Vmm.Sdk.VmmPlugin("acme.a")] [Vmm.Sdk.DeviceModel("a")] public sealed class Model;""", "a", new Given())).Message);

    [Fact]
    public void Options_without_a_binder_are_refused()
    {
        string source = Device("acme.a", "a", "public Model(LedOptions options) { }") + "public sealed class LedOptions;";
        Assert.Contains(
            "its constructor asks for LedOptions, but neither the plugin nor an assembly it references names an option binder",
            Assert.Throws<PluginException>(() => Create(source, "a", new Given())).Message);
    }

    [Fact]
    public void Two_versions_of_one_library_work_side_by_side()
    {
        foreach (int version in new[] { 1, 2 })
        {
            string folder = Folder($"p{version}");
            string library = PluginCompiler.Compile(
                folder, "Acme.Library", $$"""[assembly: System.Reflection.AssemblyVersion("{{version}}.0.0.0")] public static class Library { public static string Version => "{{version}}"; }""");
            PluginCompiler.Compile(folder, $"p{version}", Device($"acme.p{version}", $"p{version}", "public override string ToString() => Library.Version;"), PluginCompiler.ContractPath, library);
        }

        using PluginHost host = Open();
        PluginScope scope = host.OpenScope();
        Assert.Equal("1", scope.Create<IDevice>(ContributionKind.Device, "p1", new Given(), NoServices).ToString());
        Assert.Equal("2", scope.Create<IDevice>(ContributionKind.Device, "p2", new Given(), NoServices).ToString());
    }

    [Fact]
    public async Task A_scope_disposes_of_what_was_created_in_it_newest_first_even_when_one_fails()
    {
        Plugin("a", """
            using Vmm.Sdk;
            [assembly: VmmPlugin("acme.a")]
            [DeviceModel("a")]
            public sealed class Model(IOptionReader options, List<string> log) : IDevice, IAsyncDisposable
            {
                public void Attach() { }
                public void Reset(ResetKind kind) { }
                public ValueTask DisposeAsync() { log.Add(options.Find("name")!); return options.Find("name") == "second" ? throw new IOException("disk full") : default; }
            }
            """);
        using PluginHost host = Open();
        List<string> log = [];
        PluginScope scope = host.OpenScope();
        foreach (string name in (string[])["first", "second", "third"])
        {
            scope.Create<IDevice>(ContributionKind.Device, "a", new Given(("name", name)), Services(log));
        }

        var failure = await Assert.ThrowsAsync<AggregateException>(async () => await scope.DisposeAsync());

        Assert.Equal(["third", "second", "first"], log);
        Assert.Contains("disk full", failure.Message);
    }

    [Fact]
    public void Two_scopes_of_one_plugin_share_no_instance()
    {
        Plugin("a", Device("acme.a", "a"));
        using PluginHost host = Open();
        Assert.NotSame(
            host.OpenScope().Create<IDevice>(ContributionKind.Device, "a", new Given(), NoServices),
            host.OpenScope().Create<IDevice>(ContributionKind.Device, "a", new Given(), NoServices));
    }

    private IDevice Create(string source, string name, Given options)
    {
        Plugin("plugin", source);
        using PluginHost host = Open();
        return host.OpenScope().Create<IDevice>(ContributionKind.Device, name, options, NoServices);
    }

    private static Dictionary<Type, object> Services<T>(T service)
        where T : class => new() { [typeof(T)] = service };
}
