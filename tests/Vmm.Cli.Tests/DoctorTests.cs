using Vmm.Cli.Commands;
using Vmm.Cli.Doctor;
using Vmm.Engine.Kvm;
using Vmm.Engine.Kvm.Host;
using Vmm.Vmx;

namespace Vmm.Cli.Tests;

/// <summary><c>vmm doctor</c> on made-up hosts, and which engine <c>auto</c> takes.</summary>
public sealed class DoctorTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("host-").FullName;

    [Theory]
    [InlineData("flags : fpu vmx sse", "", "vmx", true)]
    [InlineData("flags : fpu svm", "", "svm", true)]
    [InlineData("flags : fpu sse vmxoff", "", null, false)]
    [InlineData("flags : fpu", "kvm_amd 1 0 - Live 0x0", null, true)]
    [InlineData("flags : fpu", "kvm_pvm 1 0 - Live 0x0", null, false)]
    public void Virtualization_is_offered_by_a_processor_flag_or_a_module(string processor, string modules, string? flag, bool offered)
    {
        Write("proc/cpuinfo", processor);
        Write("proc/modules", modules);
        HostVirtualization found = HostVirtualization.Detect(_root);
        Assert.Equal((flag, offered), (found.ProcessorFlag, found.IsOffered));
    }

    [Fact]
    public void A_module_that_is_built_in_counts_too()
    {
        Directory.CreateDirectory(Path.Combine(_root, "sys/module/kvm_intel"));
        Assert.Equal("kvm_intel", HostVirtualization.Detect(_root).Module);
    }

    [Fact]
    public void Auto_takes_no_engine_whose_processor_is_not_offered() =>
        Assert.Null(Engines.Choose(new HostVirtualization(null, null), () => throw new InvalidOperationException("must not be opened")));

    [Fact]
    public void Auto_takes_the_software_engine_where_the_device_does_not_open() =>
        Assert.Null(Engines.Choose(new HostVirtualization("vmx", null), () => throw new KvmException("no")));

    [Fact]
    public void Auto_takes_the_hardware_where_both_are_there()
    {
        IVmxEngine engine = new Vmm.Engine.Software.SoftwareEngine();
        Assert.Same(engine, Engines.Choose(new HostVirtualization("vmx", null), () => engine));
    }

    [Fact]
    public void An_empty_host_is_told_how_to_mend_everything()
    {
        Finding[] findings = [.. HostChecks.All(new HostView(_root, ""))];
        Assert.All(findings.Where(finding => !finding.IsGood), finding => Assert.NotEmpty(finding.Fix));
        string report = DoctorCommand.Report(findings);
        Assert.Contains("--  hardware virtualization", report, StringComparison.Ordinal);
        Assert.Contains("modprobe kvm_intel", report, StringComparison.Ordinal);
        Assert.Contains("ok  --engine auto             takes software", report, StringComparison.Ordinal);
        Assert.Contains("apt-get install passt", report, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_there_is_found()
    {
        Write("sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size [advise] never deny force");
        Write("usr/bin/passt", "");
        Write("dev/net/tun", "");
        Finding[] findings = [.. HostChecks.All(new HostView(_root, "/usr/bin"))];
        Assert.True(findings.Single(finding => finding.Subject == "huge pages").IsGood);
        Assert.True(findings.Single(finding => finding.Subject == "passt").IsGood);
        Assert.True(findings.Single(finding => finding.Subject == "tap networking").IsGood);
    }

    [Fact]
    public void A_device_that_is_no_kvm_is_told_apart()
    {
        Write("dev/kvm", "");
        Assert.Contains("does not answer KVM requests", HostChecks.All(new HostView(_root, "")).Single(finding => finding.Subject == "/dev/kvm").Found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_reports_on_this_host()
    {
        CommandResult result = await VmmCommand.RunAsync("", "doctor");
        Assert.Equal((0, ""), (result.Status, result.Errors));
        Assert.Contains("--engine auto", result.Output, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private void Write(string path, string text)
    {
        string full = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text + "\n");
    }
}
