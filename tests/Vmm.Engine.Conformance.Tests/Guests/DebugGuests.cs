using Vmm.Engine.Conformance.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests.Guests;

/// <summary>Debug registers, and debug exceptions that exit.</summary>
internal static class DebugGuests
{
    private const byte ArmPort = 0x10;
    private const ulong Breakpoint = GuestLayout.Code + 0x40;
    private const uint LocalDr0 = 0x402, WritesToDr1 = 0x0010_0408; // L0, instructions; L1, data writes of one byte

    public static IEnumerable<Guest> All => [Registers, InstructionBreakpoint, InstructionBreakpointExit, DataBreakpointExit];

    private static Guest Registers => new("debug registers hold what is written", GuestMode.Long, a =>
    {
        a.mov(eax, 0x1111);
        a.mov(dr0, rax);
        a.mov(eax, 0x2222);
        a.mov(dr1, rax);
        a.mov(eax, 0x3333);
        a.mov(dr2, rax);
        a.mov(eax, 0x4444);
        a.mov(dr3, rax);
        a.mov(eax, 0x1234_0400);
        a.mov(dr7, rax);
        a.@out(ArmPort, al);
        a.mov(rbx, dr0);
        a.mov(rsi, dr1);
        a.mov(rdi, dr2);
        a.mov(r8, dr3);
        a.mov(r9, dr7);
    })
    {
        Check = machine =>
        {
            GuestRegisters registers = machine.Processor.Registers;
            Assert.Equal((0x1111UL, 0x2222UL, 0x3333UL, 0x4444UL, 0x1234_0400UL), (registers.Rbx, registers.Rsi, registers.Rdi, registers.R8, registers.R9));
            ulong[] saved = machine.Save().DebugRegisters;
            Assert.Equal((0x1111UL, 0x2222UL, 0x3333UL, 0x4444UL, 0x1234_0400UL), (saved[0], saved[1], saved[2], saved[3], saved[7]));
        },
    };

    private static Guest InstructionBreakpoint => new("an instruction breakpoint", GuestMode.Long, BreakAt(LocalDr0))
    {
        Arrange = machine =>
        {
            machine.Gate((int)ExceptionVector.Debug, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                a.mov(rbx, dr6);
                a.mov(rdi, __[rsp]);
                Guest.ForgetResumeFlag(a, __dword_ptr[rsp + 16]);
                Guest.End(a, GuestMode.Long);
            });
        },
        Check = machine => Assert.Equal((1UL, Breakpoint), (machine.Processor.Registers.Rbx & 0xF, machine.Processor.Registers.Rdi)),
    };

    private static Guest InstructionBreakpointExit => new("an instruction breakpoint that exits", GuestMode.Long, BreakAt(LocalDr0))
    {
        Arrange = machine => machine[VmcsField.ExceptionBitmap] = 1 << (int)ExceptionVector.Debug,
        Respond = DisarmAtException,
        Check = machine => CheckException(machine, Dr6Bits.B0, Breakpoint),
    };

    private static Guest DataBreakpointExit => new("a data breakpoint that exits", GuestMode.Long, a =>
    {
        a.mov(eax, (uint)GuestLayout.Data);
        a.mov(dr1, rax);
        a.mov(eax, WritesToDr1);
        a.mov(dr7, rax);
        a.@out(ArmPort, al); // KVM looks at the guest's debug registers at exits
        a.mov(__byte_ptr[GuestLayout.Data], cl);
        a.mov(ecx, 2);
    })
    {
        NeedsHardware = true,
        Arrange = machine => machine[VmcsField.ExceptionBitmap] = 1 << (int)ExceptionVector.Debug,
        Respond = DisarmAtException,
        Check = machine => CheckException(machine, Dr6Bits.B1, null),
    };

    private static Action<Iced.Intel.Assembler> BreakAt(uint control) => a =>
    {
        a.mov(eax, (uint)Breakpoint);
        a.mov(dr0, rax);
        a.mov(eax, control);
        a.mov(dr7, rax);
        a.@out(ArmPort, al); // KVM looks at the guest's debug registers at exits
        a.mov(eax, (uint)Breakpoint);
        a.jmp(rax);
        a.db(new byte[32]); // up to the breakpoint
        a.db(new byte[(int)(Breakpoint - GuestLayout.Code) - 32 - CodeBefore]);
        a.mov(ecx, 7);
    };

    // MOV EAX (5), MOV DR (3), MOV EAX (5), MOV DR (3), OUT (2), MOV EAX (5), JMP RAX (2)
    private const int CodeBefore = 5 + 3 + 5 + 3 + 2 + 5 + 2;

    private static VmExitAction DisarmAtException(GuestMachine machine, ref VmExit exit)
    {
        if (exit.Reason == ExitReason.ExceptionOrNmi)
        {
            machine.Memory.Bytes[(int)GuestLayout.Data + 0x100] = (byte)exit.Qualification;
            machine[VmcsField.GuestDr7] = 0x400;
            return VmExitAction.Resume;
        }

        return GuestMachine.Default(exit);
    }

    private static void CheckException(GuestMachine machine, Dr6Bits causes, ulong? address)
    {
        string line = machine.Transcript.Lines.Single(line => line.StartsWith("ExceptionOrNmi", StringComparison.Ordinal));
        Assert.Contains("#DB", line, StringComparison.Ordinal);
        Assert.EndsWith(address is { } rip ? $"at 0x{rip:x}" : "", line, StringComparison.Ordinal);
        Assert.Equal((byte)causes, machine.Memory.Bytes[(int)GuestLayout.Data + 0x100]);
    }
}
