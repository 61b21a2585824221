using Vmm.Cli.Arguments;
using Vmm.Cli.Commands;

namespace Vmm.Cli.Tests;

public sealed class RunOptionsTests
{
    [Fact]
    public void Options_become_the_keys_of_a_machine_file()
    {
        Dictionary<string, string?> values = Configuration("--kernel", "k", "--initrd", "a", "--initrd", "b", "--cpus", "2", "--no-reboot", "--scheduler", "credit");

        Assert.Equal("k", values["kernel"]);
        Assert.Equal("a", values["initrd:0"]);
        Assert.Equal("b", values["initrd:1"]);
        Assert.Equal("2", values["cpus"]);
        Assert.Equal("on", values["noReboot"]);
        Assert.Equal("credit", values["scheduler"]);
    }

    [Fact]
    public void A_device_keeps_its_own_keys_apart_from_the_plugins_options()
    {
        Dictionary<string, string?> values = Configuration("--device", "led,port=0x100,name=panel,channel=none", "--device", "led,port=0x200");

        Assert.Equal("led", values["devices:panel:type"]);
        Assert.Equal("0x100", values["devices:panel:options:port"]);
        Assert.Equal("none", values["devices:panel:channel"]);
        Assert.Equal("0x200", values["devices:led#2:options:port"]);
    }

    [Fact]
    public void A_disk_gives_the_rest_to_its_format()
    {
        Dictionary<string, string?> values = Configuration("--disk", "path=a.img,readonly=on,cache=unsafe");

        Assert.Equal("a.img", values["disks:disk0:path"]);
        Assert.Equal("on", values["disks:disk0:readonly"]);
        Assert.Equal("unsafe", values["disks:disk0:options:cache"]);
    }

    [Fact]
    public void A_network_gives_the_rest_to_its_backend()
    {
        Dictionary<string, string?> values = Configuration("--net", "hub,segment=lab,mac=52:54:00:00:00:01", "--net", "hub,device=e1000");

        Assert.Equal("hub", values["networks:net0:backend"]);
        Assert.Equal("lab", values["networks:net0:options:segment"]);
        Assert.Equal("52:54:00:00:00:01", values["networks:net0:mac"]);
        Assert.Equal("e1000", values["networks:net1:device"]);
    }

    [Fact]
    public void No_network_takes_those_of_the_machine_file_away_and_goes_with_no_other()
    {
        Assert.Equal("none", Configuration("--net", "none")["networks"]);
        Assert.Throws<UsageException>(() => Configuration("--net", "none", "--net", "hub"));
    }

    [Fact]
    public void The_word_after_run_is_an_image_or_a_machine_file()
    {
        Assert.Equal((null, "linux"), RunOptions.Target(ParsedArguments.Parse(["linux"], RunOptions.All)));
        Assert.Equal(("pc.json", null), RunOptions.Target(ParsedArguments.Parse(["pc.json"], RunOptions.All)));
        Assert.Contains("did you mean 'linux'?",
            Assert.Throws<UsageException>(() => RunOptions.Target(ParsedArguments.Parse(["linx"], RunOptions.All))).Message, StringComparison.Ordinal);
    }

    private static Dictionary<string, string?> Configuration(params string[] arguments) =>
        RunOptions.ToConfiguration(ParsedArguments.Parse(arguments, RunOptions.All)).ToDictionary(pair => pair.Key, pair => pair.Value);
}
