using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Kernel;
using Vmm.Kernel.Tests.Virtio;
using Vmm.Sdk.Testing;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>Queue notifications and MSI-X messages of a virtio device, past the exit path where the engine has one.</summary>
public sealed class VirtioBypassTests
{
    private const ulong Bar = GuestLayout.Device, NotifyStructure = 0x3000, Ring = 0x5_0000, Buffer = 0x6_0000;
    private const uint Rounds = 3;

    public static TheoryData<string> Engines => EngineNames.WithApics;

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_guest_notifies_its_queue_and_is_interrupted_for_each_chain(string engine)
    {
        using var bench = new KernelBench(engine, a =>
        {
            GuestApic.Enable(a);
            a.xor(ebx, ebx);
            for (uint round = 1; round <= Rounds; round++)
            {
                a.mov(rbp, (long)(Bar + NotifyStructure));
                a.mov(__word_ptr[rbp], 0);
                GuestApic.HaltUntil(a, round);
            }

            KernelBench.NoteCount(a);
        });
        VirtioPciDriver? driver = null;
        Plug(bench, out PciAddress address);
        bench.Prepare = () =>
        {
            driver = new VirtioPciDriver(bench.Machine, address, Bar);
            driver.EnableMessages(vectors: 2, firstVector: KernelBench.Vector - 1);
            DriverRing ring = driver.Start(1UL << 32, Ring);
            for (uint round = 0; round < Rounds; round++)
            {
                ring.Add(new RingPart(Buffer + (0x100 * round), 16, Writable: true));
            }
        };
        bench.RunToEnd();
        Assert.Equal([Rounds, KernelBench.EndMark], bench.Device.Written);
        bool bypasses = bench.Machine.Apics.Engine is not null;
        Assert.Equal(bypasses ? 0 : (int)Rounds, Writes(bench));
    }

    /// <summary>The APIC's page is not used, so that what exits are accesses to the device.</summary>
    private static long Writes(KernelBench bench) => bench.Exits(ExitReason.EptViolation);

    private static void Plug(KernelBench bench, out PciAddress address)
    {
        address = new PciAddress(0, 3, 0);
        var device = new VirtioTestDevice { Identity = new(DeviceType: 42, ClassCode: 0x00FF00, Features: 0, ConfigurationLength: 0, [8]), OnNotified = CompleteOne };
        DeviceContext context = bench.Machine.CreateDeviceContext("virtio");
        VirtioPciFunction transport = new(context);
        transport.Carry(device);
        transport.Plug(bench.Machine.Pci.CreateSlot(address, context, interruptPin: 1, interruptLine: 19));
        bench.Machine.AddDevice("virtio", "test", transport, context);
    }

    // One a notification, so that each chain has its interrupt.
    private static void CompleteOne(IVirtioQueue queue)
    {
        if (queue.TryTake(out IVirtioChain? chain))
        {
            chain.Complete(0);
        }
    }
}
