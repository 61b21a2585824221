namespace Vmm.Engine.Kvm.Host;

/// <summary>
/// Whether the host really offers hardware virtualization: a flag of its processor, or a loaded module of KVM that needs
/// one. That /dev/kvm answers says little: some hosts emulate behind it.
/// </summary>
/// <param name="ProcessorFlag"><c>vmx</c> or <c>svm</c> in /proc/cpuinfo, or null.</param>
/// <param name="Module"><c>kvm_intel</c> or <c>kvm_amd</c>, or null.</param>
public sealed record HostVirtualization(string? ProcessorFlag, string? Module)
{
    private static readonly string[] Flags = ["vmx", "svm"];
    private static readonly string[] Modules = ["kvm_intel", "kvm_amd"];

    /// <summary>Whether guests would run on the processor itself.</summary>
    public bool IsOffered => ProcessorFlag is not null || Module is not null;

    /// <summary>Looks at a host.</summary>
    /// <param name="root">Where its file system is.</param>
    public static HostVirtualization Detect(string root = "/") => new(FindFlag(root), FindModule(root));

    private static string? FindFlag(string root)
    {
        string? line = Lines(Path.Combine(root, "proc/cpuinfo")).FirstOrDefault(l => l.StartsWith("flags", StringComparison.Ordinal));
        string[] flags = line?[(line.IndexOf(':') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        return Flags.FirstOrDefault(flags.Contains);
    }

    private static string? FindModule(string root)
    {
        string[] loaded = [.. Lines(Path.Combine(root, "proc/modules")).Select(line => line.Split(' ')[0])];
        return Modules.FirstOrDefault(module => loaded.Contains(module) || Directory.Exists(Path.Combine(root, "sys/module", module)));
    }

    private static IEnumerable<string> Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
