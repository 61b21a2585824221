using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Linux;

/// <summary>Debian's own virtio drivers find, use, reset and find again what plugins contribute.</summary>
public sealed class VirtioTests(VirtioMachine machine) : IClassFixture<VirtioMachine>
{
    private const string OtherNamespace = "/tmp/other";

    [LinuxFact]
    public async Task Every_device_has_its_driver()
    {
        Assert.Equal("virtio_blk\nvirtio_net\nvirtio_net\nvirtio_rng\n", await RunAsync("for d in /sys/bus/virtio/devices/*/driver; do basename $(readlink $d); done | sort"));
        Assert.Equal("52:54:00:00:00:01\n", await RunAsync("cat /sys/class/net/eth0/address"));
        Assert.Equal("disk0\n", await RunAsync("cat /sys/block/vda/serial; echo"));
    }

    [LinuxFact]
    public async Task What_is_written_to_a_virtio_disk_stands_on_the_host_s_disk_after_a_sync()
    {
        Assert.Equal("8192\n", await RunAsync("cat /sys/block/vda/size"));
        await RunAsync("echo written by virtio_blk | dd of=/dev/vda bs=512 seek=5 conv=sync,fsync 2>/dev/null");
        byte[] disk = await HostDisk.ReadAsync(machine.Disk);
        Assert.Equal("written by virtio_blk\n"u8.ToArray(), disk.AsSpan(5 * 512, 22).ToArray());
        await RunAsync("echo 3 > /proc/sys/vm/drop_caches");
        Assert.Equal("written by virtio_blk\n", await RunAsync("dd if=/dev/vda bs=512 skip=5 count=1 2>/dev/null | head -n 1"));
    }

    [LinuxFact]
    public async Task Large_transfers_and_discards_keep_the_rest_of_the_disk()
    {
        await RunAsync("head -c 1048576 /dev/urandom > /tmp/noise; dd if=/tmp/noise of=/dev/vda bs=64k seek=16 oflag=direct 2>/dev/null");
        await RunAsync("blkdiscard -o 2097152 -l 1048576 /dev/vda; dd if=/dev/vda of=/tmp/back bs=64k skip=16 count=16 iflag=direct 2>/dev/null; cmp /tmp/noise /tmp/back");
    }

    [LinuxFact]
    public async Task The_hardware_random_number_generator_gives_numbers()
    {
        Assert.StartsWith("virtio_rng", await RunAsync("cat /sys/class/misc/hw_random/rng_current"), StringComparison.Ordinal);
        string first = await RunAsync("head -c 32 /dev/hwrng | sha256sum"), second = await RunAsync("head -c 32 /dev/hwrng | sha256sum");
        Assert.NotEqual(first, second);
    }

    [LinuxFact]
    public async Task Frames_go_out_of_one_network_device_and_come_in_at_the_other()
    {
        // The second device goes to a network namespace of its own: else the kernel would answer itself without a frame.
        await RunAsync($"touch {OtherNamespace}; unshare --net={OtherNamespace} true; ip link set eth1 netns $(nsenter --net={OtherNamespace} sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!')");
        await RunAsync($"nsenter --net={OtherNamespace} sh -c 'ip addr add 10.0.0.2/24 dev eth1 && ip link set eth1 up'");
        await RunAsync("ip addr add 10.0.0.1/24 dev eth0 && ip link set eth0 up");
        Assert.Contains("5 packets received", await RunAsync("ping -c 5 -s 1400 10.0.0.2"), StringComparison.Ordinal);
        Assert.NotEqual("0\n", await RunAsync("cat /sys/class/net/eth0/statistics/rx_packets"));
    }

    [LinuxFact]
    public async Task Interrupts_come_as_messages_a_queue()
    {
        string interrupts = await RunAsync("cat /proc/interrupts");
        Assert.Matches("PCI-MSI.*virtio[0-9]-req.0", interrupts);
        Assert.Matches("PCI-MSI.*virtio[0-9]-input.0", interrupts);
    }

    [LinuxFact]
    public async Task A_driver_can_leave_a_device_and_come_back()
    {
        await RunAsync("cd /sys/bus/pci/drivers/virtio-pci; f=$(basename $(readlink -f /sys/block/vda/device/..)); echo $f > unbind; ! test -e /dev/vda && echo $f > bind; cd; dd if=/dev/vda of=/dev/null bs=64k 2>/dev/null");
        Assert.Equal("8192\n", await RunAsync("cat /sys/block/vda/size"));
    }

    [LinuxFact]
    public async Task The_kernel_has_nothing_to_complain_about() =>
        Assert.Empty(await RunAsync("dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|I/O error|virtio.*(fail|error)'; true"));

    private async Task<string> RunAsync(string command)
    {
        (string output, int status) = await machine.Shell.RunAsync(command);
        Assert.True(status == 0, $"{command}\nended with status {status}:\n{output}");
        return output;
    }
}
