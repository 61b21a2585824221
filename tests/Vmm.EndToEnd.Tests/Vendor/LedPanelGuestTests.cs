using Vmm.EndToEnd.Tests.Guests;
using Vmm.EndToEnd.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.EndToEnd.Tests.Vendor;

/// <summary>A guest drives a vendor's device that came in a folder of its own.</summary>
[Collection(VendorCollection.Name)]
public sealed class LedPanelGuestTests(BuiltSample sample) : GuestTest
{
    [Theory]
    [InlineData(0x2E0)]
    [InlineData(0x1234)]
    public async Task A_guest_reads_back_what_it_shows_on_the_panel(ushort port)
    {
        const byte leds = 0x2A;
        VmmResult result = await RunAsync(
            a =>
            {
                a.WritePort(port, leds);
                a.mov(al, 0);
                a.@in(al, dx);
                a.mov(dx, 0xF4);
                a.@out(dx, al);
                a.Stop();
            },
            "--plugins", sample.PluginFolder, "--device", $"acme-led-panel,port=0x{port:x}", "--device", "isa-debug-exit,port=0xf4");

        AssertStatus((leds << 1) | 1, result);
        Assert.Empty(result.Errors);
    }

    [Fact]
    public async Task The_panel_stands_in_the_list_of_plugins()
    {
        VmmResult result = await VmmProcess.RunAsync("plugin", "list", "--plugins", sample.PluginFolder);
        AssertStatus(0, result);
        Assert.Contains("acme.led-panel", result.Output, StringComparison.Ordinal);
        Assert.Contains("acme-led-panel", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_option_of_the_panel_is_told_with_the_right_one()
    {
        VmmResult result = await RunAsync(a => a.Stop(), "--plugins", sample.PluginFolder, "--device", "acme-led-panel,prot=0x2E0");
        AssertStatus(2, result);
        Assert.Contains("'prot'", result.Errors, StringComparison.Ordinal);
        Assert.Contains("port", result.Errors, StringComparison.Ordinal);
    }
}
