namespace Vmm.Kernel.Tests;

/// <summary>A test of how the kernel answers exits: a machine, its first processor, and the exits that tests deliver to it.</summary>
public abstract class ExitTest : IDisposable
{
    private protected static readonly VmExit Kick = new() { Reason = ExitReason.ExternalInterrupt };

    private protected TestBench Bench { get; } = new();

    private protected FakeProcessor Processor => Bench.Processor;

    public void Dispose()
    {
        Bench.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected static VmExit Io(VmExitAccess access, ushort port, byte width) => new()
    {
        Reason = ExitReason.IoInstruction, Access = access, Port = port, Width = width, InstructionLength = 2,
    };

    private protected static VmExit Mmio(VmExitAccess access, ulong address, byte width, ulong data = 0) => new()
    {
        Reason = ExitReason.EptViolation, Access = access, GuestPhysicalAddress = address, Width = width, Data = data,
    };

    private protected void Claim(ushort port, TestDevice device) =>
        Bench.AddDevice("d", _ => device).Ports.Claim("d", port, 1, AccessWidths.Byte, device);

    private protected GuestRegisters Cpuid(uint leaf)
    {
        Processor.Registers.Rax = leaf;
        Processor.Registers.Rcx = 0;
        Processor.RunExit(new VmExit { Reason = ExitReason.Cpuid, InstructionLength = 2 });
        return Processor.Registers;
    }

    private protected ScriptedExit Msr(ExitReason reason, uint index, ulong value = 0)
    {
        Processor.Registers.Rcx = index;
        Processor.Registers.Rax = (uint)value;
        Processor.Registers.Rdx = value >> 32;
        return Processor.RunExit(new VmExit { Reason = reason, InstructionLength = 2 });
    }
}
