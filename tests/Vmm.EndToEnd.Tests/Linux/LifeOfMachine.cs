using System.Text;
using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Linux;

/// <summary>What a Linux machine does from its boot to its end.</summary>
internal static class LifeOfMachine
{
    /// <summary>Boots, works, leaves its name on the disk, and powers off.</summary>
    public static async Task LiveAsync(IGuestConsole console, string name, int processors)
    {
        Shell shell = await Shell.WaitAsync(console);
        Assert.Equal(($"{processors}\n", 0), await shell.RunAsync("nproc"));
        Assert.Equal(("", 0), await shell.RunAsync($"hostname {name}"));
        Assert.Equal(($"{name}\n", 0), await shell.RunAsync($"i=0; while [ $i -lt 20 ]; do (true) & wait $!; i=$((i+1)); done; hostname"));
        Assert.Equal(("", 0), await shell.RunAsync($"echo left by {name} | dd of=/dev/nvme0n1 bs=512 conv=sync,fsync 2>/dev/null"));
        await shell.PowerOffAsync();
    }

    /// <summary>Checks what it left.</summary>
    public static async Task AssertLeftOnDiskAsync(string disk, string name)
    {
        byte[] content = await HostDisk.ReadAsync(disk);
        byte[] expected = Encoding.ASCII.GetBytes($"left by {name}\n");
        Assert.Equal(expected, content.AsSpan(0, expected.Length).ToArray());
    }
}
