using Vmm.Engine.Kvm;
using Vmm.Engine.Kvm.Host;

namespace Vmm.Cli.Doctor;

/// <summary>What <c>vmm doctor</c> looks at.</summary>
internal static class HostChecks
{
    private const string KvmDevice = "/dev/kvm", TunDevice = "/dev/net/tun";
    private const string SharedHugePages = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

    /// <summary>Everything, in order.</summary>
    public static IEnumerable<Finding> All(HostView host) =>
        [Processor(host), Kvm(host), Choice(host), HugePages(host), Tap(host), Passt(host), .. PackageTools(host)];

    private static Finding Processor(HostView host)
    {
        HostVirtualization virtualization = HostVirtualization.Detect(host.Root);
        if (virtualization.IsOffered)
        {
            string[] found = [.. ((string?[])[virtualization.ProcessorFlag, virtualization.Module]).OfType<string>()];
            return new Finding("hardware virtualization", true, $"offered ({string.Join(", ", found)})");
        }

        string emulated = host.Exists(KvmDevice) ? $"; {KvmDevice} is there all the same, so what answers it emulates" : "";
        return new Finding(
            "hardware virtualization", false, $"neither vmx nor svm in /proc/cpuinfo, no module kvm_intel or kvm_amd{emulated}",
            "on a computer of your own turn VT-x or AMD-V on in the firmware setup and load kvm_intel or kvm_amd (modprobe); on a rented one choose a type with nested virtualization");
    }

    private static Finding Kvm(HostView host)
    {
        if (!host.Exists(KvmDevice))
        {
            return new Finding(KvmDevice, false, "is not there", "load the module of KVM: modprobe kvm_intel, or modprobe kvm_amd");
        }

        try
        {
            KvmEngine.Open(host.At(KvmDevice)).Dispose();
            return new Finding(KvmDevice, true, "opens, and has all that the kvm engine needs");
        }
        catch (KvmException e)
        {
            string fix = host.WhyNotOpen(KvmDevice) is null
                ? "use a newer host kernel"
                : "add the user to the device's group (usermod -aG kvm USER) and log in again";
            return new Finding(KvmDevice, false, e.Message.TrimEnd('.'), fix);
        }
    }

    private static Finding Choice(HostView host)
    {
        bool hardware = HostVirtualization.Detect(host.Root).IsOffered && host.Exists(KvmDevice) && host.WhyNotOpen(KvmDevice) is null;
        return new Finding(
            "--engine auto", true, hardware ? $"takes {Engines.Kvm}" : $"takes {Engines.Software}, which needs nothing of the host");
    }

    private static Finding HugePages(HostView host)
    {
        // The mode in force stands in brackets.
        string? modes = host.Read(SharedHugePages);
        string? mode = modes?.Split('[', ']').ElementAtOrDefault(1);
        const string Fix = $"echo advise > {SharedHugePages} (as root); guests with much memory run faster with it";
        return mode switch
        {
            null => new Finding("huge pages", false, "the host kernel has no transparent huge pages for shared memory", "nothing needs them; guests with much memory run faster with them"),
            "always" or "within_size" or "advise" or "force" => new Finding("huge pages", true, $"transparent huge pages for shared memory: {mode}"),
            _ => new Finding("huge pages", false, $"transparent huge pages for shared memory: {mode}", Fix),
        };
    }

    private static Finding Tap(HostView host)
    {
        if (!host.Exists(TunDevice))
        {
            return new Finding("tap networking", false, $"{TunDevice} is not there", "modprobe tun (as root), or use another network backend");
        }

        return host.WhyNotOpen(TunDevice) is { } reason
            ? new Finding("tap networking", false, $"{TunDevice} cannot be opened: {reason}", "run as a user with CAP_NET_ADMIN, or use a tap device that is made for this user (ip tuntap add)")
            : new Finding("tap networking", true, $"{TunDevice} opens");
    }

    private static Finding Passt(HostView host) => Program(
        host, "passt", "user networking without privileges", "apt-get install passt");

    private static IEnumerable<Finding> PackageTools(HostView host) =>
    [
        Program(host, "apt-get", "'vmm run linux' fetches its kernel through it", "give a kernel of your own: vmm run --kernel FILE --initrd FILE"),
        Program(host, "dpkg-deb", "'vmm run linux' unpacks its kernel with it", "apt-get install dpkg, or give a kernel of your own"),
    ];

    private static Finding Program(HostView host, string name, string purpose, string fix) =>
        host.FindProgram(name) is { } path
            ? new Finding(name, true, path)
            : new Finding(name, false, $"is not in PATH; {purpose}", fix);
}
