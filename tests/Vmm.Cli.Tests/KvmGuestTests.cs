using Vmm.Engine.Kvm;

namespace Vmm.Cli.Tests;

/// <summary>Whole machines on KVM, with the same board, plugins and command line as on the software engine.</summary>
public sealed class KvmGuestTests
{
    [KvmFact]
    public async Task A_guest_writes_to_the_serial_port_and_powers_off_on_kvm()
    {
        // mov dx, 3f8h; mov al, 'K'; out dx, al; then S5 as the others do.
        using TinyGuest guest = new([0x66, 0xBA, 0xF8, 0x03, 0xB0, (byte)'K', 0xEE, .. TinyGuest.PowerOff]);
        CommandResult result = await VmmCommand.RunAsync("", "run", "--kernel", guest.Path, "--engine", "kvm", "--memory", "32M", "--stat");
        Assert.Equal((0, "K"), (result.Status, result.Output));
        Assert.Contains("IoInstruction", result.Errors, StringComparison.Ordinal);
        Assert.Contains("kvm runs", result.Errors, StringComparison.Ordinal);
    }

    private sealed class KvmFactAttribute : FactAttribute
    {
        public KvmFactAttribute()
        {
            try
            {
                KvmEngine.Open().Dispose();
            }
            catch (KvmException e)
            {
                Skip = $"Skipped, because this host's KVM cannot be used: {e.Message}";
            }
        }
    }
}
