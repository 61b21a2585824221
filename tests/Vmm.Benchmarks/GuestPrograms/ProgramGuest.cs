using Vmm.Benchmarks.Peers;
using Vmm.Machine.Images;

namespace Vmm.Benchmarks.GuestPrograms;

/// <summary>A Linux whose first process runs the programs that its arguments name and turns the machine off.</summary>
internal static class ProgramGuest
{
    public static LinuxGuest Create(string folder, string init, IReadOnlyDictionary<string, string> programs)
    {
        string initrd = Path.Combine(folder, "programs.cpio");
        using FileStream file = File.Create(initrd);
        CpioArchive archive = new(file);
        foreach (string path in (string[])["dev", "proc", "programs"])
        {
            archive.AddDirectory(path);
        }

        archive.AddCharacterDevice("dev/console", 5, 1);
        archive.AddFile("init", File.ReadAllBytes(init), executable: true);
        foreach ((string name, string path) in programs)
        {
            archive.AddFile($"programs/{name}", File.ReadAllBytes(path), executable: true);
        }

        archive.Finish();
        return new LinuxGuest(LinuxImage.Get().Kernel, initrd, $"console=ttyS0 quiet panic=-1 rdinit=/init -- {string.Join(' ', programs.Keys)}");
    }
}
