namespace Vmm.Kernel.Tests;

/// <summary>A guest that writes over everything: the host must stand it.</summary>
public sealed class RandomAccessTests
{
    private static readonly ulong[] Places = [0, 0xA_0000, 0xC000_0000, 0xFEC0_0000, 0xFED0_0000, 0xFEE0_0000, 0xFFFF_F000, 1UL << 32, (1UL << 45) - 4096, ulong.MaxValue - 4095];

    [Fact]
    public void Random_accesses_of_all_widths_everywhere_end_in_no_fault_of_the_host()
    {
        var random = new Random(20261123);
        using var bench = new TestBench(new VirtualMachineOptions { ProcessorCount = 2, NoReboot = true });
        bench.Memory.AddRom("bios", 0xFFFF_0000, new byte[0x1_0000]);
        var device = new TestDevice { OnRead = (offset, _) => offset * 0x0101_0101 };
        DeviceContext context = bench.AddDevice("d", _ => new TestDevice());
        context.Ports.Claim("bytes", 0x3F8, 8, AccessWidths.Byte, device);
        context.Ports.Claim("wide", 0xCF8, 8, AccessWidths.AnyPort, device);
        context.Mmio.Claim("dwords", 0xFED0_0000, 0x400, AccessWidths.DoubleWord, device);
        context.Mmio.Claim("top", ulong.MaxValue - 4095, 4096, AccessWidths.Any, device);
        bench.Machine.AttachDevices();
        StartAndPause(bench);
        VirtualProcessor processor = bench.Machine.Processors[0];
        for (int i = 0; i < 300_000; i++)
        {
            device.Accesses.Clear();
            VmExit exit = RandomAccess(random);
            VmExitAction action = processor.OnExit(ref exit);
            Assert.True(action is VmExitAction.Complete or VmExitAction.Leave, $"{exit.Reason} at 0x{exit.GuestPhysicalAddress:x}: {action}");
        }

        Assert.False(bench.Machine.Completion.IsCompleted);
        Assert.DoesNotContain(bench.Log.Messages, m => m.Level == DeviceLogLevel.Error);
        Assert.InRange(bench.Log.Messages.Count, 0, 10_000);
    }

    [Fact]
    public void Random_msr_accesses_end_in_a_value_or_a_general_protection_fault()
    {
        var random = new Random(20261123);
        using var bench = new TestBench();
        StartAndPause(bench);
        VirtualProcessor processor = bench.Machine.Processors[0];
        for (int i = 0; i < 100_000; i++)
        {
            processor.Registers.Rcx = RandomMsr(random);
            processor.Registers.Rax = (uint)random.NextInt64();
            processor.Registers.Rdx = random.Next(3) == 0 ? 0 : (uint)random.NextInt64();
            var exit = new VmExit { Reason = random.Next(2) == 0 ? ExitReason.Rdmsr : ExitReason.Wrmsr, InstructionLength = 2 };
            Assert.NotEqual(VmExitAction.Complete, processor.OnExit(ref exit));
        }

        Assert.False(bench.Machine.Completion.IsCompleted);
    }

    /// <summary>Leaves the processors outside, with a current VMCS, for the test to call.</summary>
    private static void StartAndPause(TestBench bench)
    {
        bench.Machine.Start();
        bench.Processor.RunExit(new VmExit { Reason = ExitReason.ExternalInterrupt });
        bench.Machine.Pause();
    }

    private static ulong RandomMsr(Random random) => random.Next(4) switch
    {
        0 => Msr.X2ApicFirst + (uint)random.Next(0x100),
        1 => 0x200 + (uint)random.Next(0x100),
        2 => 0xC000_0000 + (uint)random.Next(0x200),
        _ => (uint)random.NextInt64(),
    };

    private static VmExit RandomAccess(Random random)
    {
        var exit = new VmExit
        {
            Access = random.Next(2) == 0 ? VmExitAccess.Read : VmExitAccess.Write,
            Data = (ulong)random.NextInt64(long.MinValue, long.MaxValue),
            InstructionLength = 2,
        };
        if (random.Next(2) == 0)
        {
            exit.Reason = ExitReason.IoInstruction;
            exit.Port = (ushort)(random.Next(4) == 0 ? random.Next(0x3F0, 0x400) : random.Next(0x10000));
            exit.Width = (byte)(1 << random.Next(3));
        }
        else
        {
            exit.Reason = ExitReason.EptViolation;
            exit.Width = (byte)(1 << random.Next(4));
            exit.GuestPhysicalAddress = Places[random.Next(Places.Length)] + (ulong)random.Next(4096 - 7);
        }

        return exit;
    }
}
