using Vmm.Tests;

namespace Vmm.Benchmarks.Peers;

/// <summary>The <c>vmm</c> command as a user runs it.</summary>
/// <param name="executable">Its path, or null for the one of this build.</param>
/// <param name="arguments">More arguments for <c>vmm run</c>.</param>
internal sealed class VmmPeer(string? executable, IReadOnlyList<string> arguments) : IPeer
{
    /// <summary>Path of the command.</summary>
    public string Executable { get; } = executable ?? Repository.At("src", "Vmm.Cli", "bin", "Release", "net10.0", "vmm");

    public string Name => "vmm";

    public string? Missing => File.Exists(Executable) ? null : $"{Executable} is missing: dotnet build -c Release src/Vmm.Cli";

    public IReadOnlyList<string> Command(LinuxGuest guest) =>
        Run("--kernel", guest.Kernel, "--initrd", guest.Initrd, "--cmdline", guest.CommandLine, "--memory", "512M");

    /// <summary>A command that runs a machine.</summary>
    public IReadOnlyList<string> Run(params IEnumerable<string> more) => [Executable, "run", "--no-reboot", .. more, .. arguments];
}
