using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Engine.Kvm;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>Machines come and go and leave nothing behind.</summary>
public sealed class LifecycleTests
{
    private const int Machines = 1000, WarmUp = 50;

    [KvmFact]
    public void A_thousand_machines_leave_no_descriptor_mapping_or_thread()
    {
        RunMany(WarmUp);
        Resources before = Resources.Now();
        RunMany(Machines);
        Resources after = Resources.Now();
        Assert.Equal(before.KvmDescriptors, after.KvmDescriptors);
        Assert.Equal(before.KvmMappings, after.KvmMappings);
        Assert.InRange(after.Descriptors, 0, before.Descriptors + 8); // other tests of the process open files too
        Assert.InRange(after.Threads, 0, before.Threads + 8);
    }

    /// <summary>Also those that nobody has ended before.</summary>
    [SplitIrqchipFact]
    public void Machines_with_routes_and_notifications_leave_no_event_descriptor_or_thread()
    {
        const int Some = 100;
        RunWithEvents(WarmUp);
        Resources before = Resources.Now();
        RunWithEvents(Some);
        Resources after = Resources.Now();
        Assert.Equal(before.KvmDescriptors, after.KvmDescriptors);
        Assert.InRange(after.EventDescriptors, 0, before.EventDescriptors + 8);
        Assert.InRange(after.Threads, 0, before.Threads + 8);
    }

    private static void RunWithEvents(int count)
    {
        var guest = new Guest("nothing", GuestMode.Long, a => a.nop()) { Check = _ => { } };
        for (int n = 0; n < count; n++)
        {
            using GuestMachine machine = guest.Make(HostKvm.Engine, LocalApicModel.Kvm);
            IEngineInterrupts interrupts = machine.Machine.Interrupts!;
            Assert.NotNull(interrupts.CreateRoute(0xFEE0_0000, 0x51));
            Assert.NotNull(interrupts.Listen(GuestLayout.Device, 2, () => { }));
            interrupts.Listen(GuestLayout.Device + 4, 2, () => { })!.Dispose();
            interrupts.CreateRoute(0xFEE0_0000, 0x52)!.Dispose();
        }
    }

    private static void RunMany(int count)
    {
        var guest = new Guest("comes and goes", GuestMode.Long, a => a.@out(0x80, al)) { Check = _ => { } };
        for (int n = 0; n < count; n++)
        {
            using GuestMachine machine = guest.Run(HostKvm.Engine);
            Assert.StartsWith("Hlt", machine.Transcript.Lines[^1]);
        }
    }

    /// <summary>What this process holds. Descriptors and mappings of KVM are counted on their own: only machines have them.</summary>
    private sealed record Resources(int Descriptors, int KvmDescriptors, int EventDescriptors, int KvmMappings, int Threads)
    {
        public static Resources Now()
        {
            string[] targets = [.. Directory.GetFiles("/proc/self/fd").Select(Target)];
            return new Resources(
                targets.Length,
                targets.Count(target => target.Contains("kvm-", StringComparison.Ordinal)),
                targets.Count(target => target.Contains("[event", StringComparison.Ordinal)),
                File.ReadLines("/proc/self/maps").Count(line => line.Contains("kvm-", StringComparison.Ordinal)),
                Directory.GetDirectories("/proc/self/task").Length);
        }

        private static string Target(string descriptor)
        {
            try
            {
                return File.ResolveLinkTarget(descriptor, false)?.ToString() ?? "";
            }
            catch (FileNotFoundException)
            {
                return ""; // closed meanwhile, like the one that lists the folder
            }
        }
    }
}
