using Iced.Intel;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Execute;

/// <summary>Two processors on one memory.</summary>
public sealed unsafe class ProcessorsTests
{
    private const long Data = (long)TestMachine.DataAddress;

    [Fact]
    public void Locked_increments_of_two_processors_are_never_lost()
    {
        using TestMachine machine = new();
        using LogicalProcessor other = machine.AddProcessor(index: 1);
        machine.Load(a =>
        {
            Label loop = a.CreateLabel();
            a.mov(ecx, 200_000);
            a.Label(ref loop);
            a.@lock.inc(__dword_ptr[Data]);
            a.@lock.xadd(__dword_ptr[Data + 0x10], eax);
            a.mov(eax, 1);
            a.@lock.inc(__dword_ptr[Data + 0xFFE]);
            a.dec(ecx);
            a.jnz(loop);
        });
        Thread thread = new(() => other.Run());
        thread.Start();
        machine.Run();
        Assert.True(thread.Join(TimeSpan.FromSeconds(20)));
        Assert.Equal(400_000, BitConverter.ToInt32(machine.Memory.Bytes[(int)Data..]));
        Assert.Equal(400_000 - 2, BitConverter.ToInt32(machine.Memory.Bytes[((int)Data + 0x10)..]));
        Assert.Equal(400_000, BitConverter.ToInt32(machine.Memory.Bytes[((int)Data + 0xFFE)..]));
    }

    [Fact]
    public void A_processor_sees_code_that_the_other_patches_while_it_runs_it()
    {
        using TestMachine machine = new();
        using LogicalProcessor other = machine.AddProcessor(index: 1);
        machine.Load(a =>
        {
            // The second processor spins in "jmp here" until the first turns it into two NOPs.
            Label spin = a.CreateLabel();
            Label patcher = a.CreateLabel();
            Label end = a.CreateLabel();
            a.cmp(edi, 1);
            a.je(patcher);
            a.Label(ref spin);
            a.mov(__byte_ptr[Data], 1);
            a.db(0xEB, 0xFE);
            a.jmp(end);
            a.Label(ref patcher);
            a.nop();
            Label wait = a.CreateLabel();
            a.Label(ref wait);
            a.cmp(__byte_ptr[Data], 1);
            a.jne(wait);
            a.lea(rbx, __[spin]);
            a.mov(__word_ptr[rbx + 8], 0x9090);
            a.Label(ref end);
            a.mov(eax, 0x55);
        });
        machine.State->Gpr.Rdi = 1;
        Thread thread = new(() => other.Run());
        thread.Start();
        machine.Run();
        Assert.True(thread.Join(TimeSpan.FromSeconds(20)));
        Assert.Equal(0x55UL, other.State->Gpr.Rax);
    }
}
