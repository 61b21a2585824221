using System.Text;
using Vmm.Machine.Images;

namespace Vmm.Machine.Tests.Images;

public sealed class KernelModuleTests
{
    [Fact]
    public void A_module_comes_after_those_that_it_needs_and_only_once()
    {
        (string, byte[])[] files =
        [
            File("kernel/net.ko", "virtio,failover"), File("kernel/virtio.ko", "virtio-ring"), File("kernel/virtio_ring.ko", ""),
            File("kernel/failover.ko", ""), File("kernel/unwanted.ko", ""), File("kernel/virtio-rng.ko", "virtio"),
        ];

        IReadOnlyList<KernelModule> modules = KernelModule.WithDependencies(["net", "virtio_rng", "built_in"], files);

        Assert.Equal(["virtio_ring", "virtio", "failover", "net", "virtio_rng"], modules.Select(module => module.Name));
    }

    [Fact]
    public void Modules_that_need_each_other_do_not_go_round_for_ever() =>
        Assert.Equal(2, KernelModule.WithDependencies(["a"], [File("a.ko", "b"), File("b.ko", "a")]).Count);

    private static (string Path, byte[] Content) File(string path, string depends) =>
        (path, Encoding.ASCII.GetBytes($"\u007fELF license=GPL\0depends={depends}\0vermagic=6.1\0"));
}
