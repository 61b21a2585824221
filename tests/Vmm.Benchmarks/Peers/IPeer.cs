namespace Vmm.Benchmarks.Peers;

/// <summary>Something that boots a Linux kernel in a process of its own.</summary>
internal interface IPeer
{
    /// <summary>Its name in tables.</summary>
    string Name { get; }

    /// <summary>What is missing on this host, with what to install; null if it can run.</summary>
    string? Missing { get; }

    /// <summary>What it reads from standard input besides the guest's own.</summary>
    string Input => "";

    /// <summary>The command that boots; the guest's console is its standard output.</summary>
    IReadOnlyList<string> Command(LinuxGuest guest);
}

/// <summary>What is booted.</summary>
/// <param name="Kernel">Path of the kernel.</param>
/// <param name="Initrd">Path of the initial RAM disk.</param>
/// <param name="CommandLine">The kernel's command line.</param>
internal sealed record LinuxGuest(string Kernel, string Initrd, string CommandLine);
