using System.IO.Compression;
using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Multiboot;

/// <summary>The Xen hypervisor as Debian ships it: a Multiboot 1 kernel with modules that goes back to real mode and takes the whole machine.</summary>
public sealed class XenTests : IDisposable
{
    private const string Console = "com1=115200,8n1,0x3f8,4 console=com1 noreboot";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [XenFact]
    public async Task Xen_comes_up_and_misses_its_first_module()
    {
        await using VmmProcess machine = VmmProcess.Start("run", "--kernel", Kernel(), "--cmdline", Console);
        await machine.ExpectAsync("(XEN) Xen version 4", Deadlines.Boot);
        await machine.ExpectAsync("Bootloader: vmm", Deadlines.Line);
        await machine.ExpectAsync($"Command line: {Console}", Deadlines.Line);
        await machine.ExpectAsync("dom0 kernel not specified", Deadlines.Line);
    }

    [XenFact]
    public async Task Xen_runs_Linux_as_its_first_domain()
    {
        await using VmmProcess machine = VmmProcess.Start(
            "run", "--memory", "1G", "--kernel", Kernel(), "--cmdline", $"{Console} dom0_mem=400M",
            "--initrd", $"{LinuxImage.Image.Kernel} console=hvc0 earlyprintk=xen", "--initrd", LinuxImage.Image.Initrd);
        await machine.ExpectAsync("(XEN) System RAM: 1023MB", Deadlines.Boot);
        await machine.ExpectAsync("(XEN) Brought up 1 CPUs", Deadlines.Boot);
        await machine.ExpectAsync("Serial input to DOM0", Deadlines.Boot);
        await machine.ExpectAsync("console=hvc0 earlyprintk=xen", Deadlines.Boot);
        await machine.ExpectAsync("Run /init as init process", Deadlines.Boot);
    }

    private string Kernel()
    {
        using GZipStream packed = new(File.OpenRead(CachedFile.Xen.Path), CompressionMode.Decompress);
        using MemoryStream plain = new();
        packed.CopyTo(plain);
        return _folder.Write("xen", plain.ToArray());
    }
}
