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
        foreach (string counter in (string[])["vm exits", "kvm runs", "kvm runs interrupted", "kicks", "memory slots", "memory slot changes", "dirty logs read", "msr filters set", "time-stamp counters set"])
        {
            Assert.Contains(counter, result.Errors, StringComparison.Ordinal);
        }
    }

    [KvmFact]
    public async Task A_guest_runs_with_either_model_of_the_local_apics()
    {
        using TinyGuest guest = new(TinyGuest.PowerOff);
        foreach (string model in (string[])["auto", "kvm", "kernel"])
        {
            CommandResult result = await VmmCommand.RunAsync(
                "", "run", "--kernel", guest.Path, "--engine", "kvm", "--engine-option", $"apic={model}", "--memory", "32M");
            Assert.True(result.Status == 0, $"{model}: {result.Errors}");
        }
    }

    [KvmFact]
    public async Task A_model_of_the_local_apics_that_there_is_not_is_refused_by_name()
    {
        using TinyGuest guest = new(TinyGuest.PowerOff);
        CommandResult result = await VmmCommand.RunAsync("", "run", "--kernel", guest.Path, "--engine", "kvm", "--engine-option", "apic=qemu");
        Assert.Equal(2, result.Status);
        Assert.Contains("'qemu' is none of auto, kvm, kernel", result.Errors, StringComparison.Ordinal);
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
