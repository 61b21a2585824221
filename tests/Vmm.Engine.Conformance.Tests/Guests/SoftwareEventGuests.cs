using Iced.Intel;
using Vmm.Engine.Conformance.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Conformance.Tests.Guests;

/// <summary>Events of instructions, injected: INT n, INT3, INTO and INT1, with the length that the handler returns over.</summary>
internal static class SoftwareEventGuests
{
    private const byte Port = 0x10;
    private const int PortLength = 2, Vector = 0x41;

    public static IEnumerable<Guest> All =>
    [
        .. from mode in Enum.GetValues<GuestMode>() select Injected("INT n", mode, InterruptionType.SoftwareInterrupt, Vector, 2),
        .. from mode in Enum.GetValues<GuestMode>() select Injected("INT3", mode, InterruptionType.SoftwareException, (int)ExceptionVector.Breakpoint, 1),
        .. from mode in Enum.GetValues<GuestMode>() select Injected("INTO", mode, InterruptionType.SoftwareException, (int)ExceptionVector.Overflow, 1),
        .. from mode in Enum.GetValues<GuestMode>() select Injected("INT1", mode, InterruptionType.PrivilegedSoftwareException, (int)ExceptionVector.Debug, 1),
        PrivilegedGate, HardwareBreakpointVector,
    ];

    // What stands where the instruction would be faults, or exits.
    private static Guest Injected(string name, GuestMode mode, InterruptionType type, int vector, int length) => new($"an injected {name}, {mode} mode", mode, a =>
    {
        a.xor(ebx, ebx);
        a.sti();
        a.nop();
        a.@out(Port, al);
        a.db(0x0F, 0x0B); // UD2
        a.nop();
    })
    {
        Arrange = machine => CatchReturnAddress(machine, vector, mode),
        Respond = InjectAtPort(InterruptionInformation.Create(type, (byte)vector), length),
        Check = machine =>
        {
            ulong port = AddressOfPort(mode) + PortLength;
            Assert.Equal(port + (ulong)length, machine.Processor.Registers.Rdi & (mode == GuestMode.Real ? 0xFFFFu : ulong.MaxValue));
        },
    };

    /// <summary>The gate is the kernel's, the instruction a user's: a general-protection fault at the instruction.</summary>
    private static Guest PrivilegedGate => new("an injected INT n whose gate is not for users", GuestMode.Long, a =>
    {
        a.@out(Port, al);
        a.nop();
        a.nop();
    })
    {
        Arrange = machine =>
        {
            const ulong UserRights = 0x60, IoPrivilege = 0x3000;
            machine[VmcsField.GuestCsAccessRights] |= UserRights;
            machine[VmcsField.GuestSsAccessRights] |= UserRights;
            machine[VmcsField.GuestCsSelector] |= 3;
            machine[VmcsField.GuestSsSelector] |= 3;
            machine[VmcsField.GuestRflags] |= IoPrivilege | (ulong)RflagsBits.If;
            machine.Memory.Write(GuestLayout.Tss + 4, BitConverter.GetBytes(GuestLayout.Stack)); // RSP0
            machine.Gate(Vector, GuestLayout.Handler);
            machine.Gate((int)ExceptionVector.GeneralProtection, GuestLayout.Handler + 0x100);
            machine.Assemble(GuestLayout.Handler, a => Guest.End(a, GuestMode.Long));
            machine.Assemble(GuestLayout.Handler + 0x100, a =>
            {
                a.pop(rbx);
                a.mov(rdi, __[rsp]);
                a.mov(__qword_ptr[rsp + 16], 2); // a KVM without VT-x forgets the guest's I/O privilege
                a.push(2);
                a.popfq();
                a.mov(eax, GuestLayout.DataSelector);
                a.mov(ss, ax); // and does not say that the null selector of the way in is unusable
                Guest.End(a, GuestMode.Long);
            });
        },
        Respond = InjectAtPort(InterruptionInformation.Create(InterruptionType.SoftwareInterrupt, Vector), 2),
        Check = machine =>
        {
            Assert.Equal((Vector * 8UL) + 2, machine.Processor.Registers.Rbx);
            Assert.Equal(GuestLayout.Code + PortLength, machine.Processor.Registers.Rdi);
        },
    };

    /// <summary>A "hardware exception" of vector 3 has no instruction to return over.</summary>
    private static Guest HardwareBreakpointVector => new("vector 3 injected as a hardware exception", GuestMode.Long, a =>
    {
        a.xor(ebx, ebx);
        a.sti();
        a.nop();
        a.@out(Port, al);
        a.nop();
    })
    {
        Arrange = machine => CatchReturnAddress(machine, (int)ExceptionVector.Breakpoint, GuestMode.Long),
        Respond = InjectAtPort(InterruptionInformation.HardwareException(ExceptionVector.Breakpoint), 0),
        Check = machine => Assert.Equal(AddressOfPort(GuestMode.Long) + PortLength, machine.Processor.Registers.Rdi),
    };

    private static ulong AddressOfPort(GuestMode mode) => mode switch
    {
        GuestMode.Real => 3 + 1 + 1, // 32-bit XOR, STI, NOP
        _ => GuestLayout.Code + 2 + 1 + 1,
    };

    private static void CatchReturnAddress(GuestMachine machine, int vector, GuestMode mode)
    {
        machine.Gate(vector, GuestLayout.Handler);
        machine.Assemble(GuestLayout.Handler, a =>
        {
            if (mode == GuestMode.Long)
            {
                a.pop(rdi);
                Guest.ForgetResumeFlag(a, __dword_ptr[rsp + 8]);
            }
            else if (mode == GuestMode.Protected)
            {
                a.pop(edi);
            }
            else
            {
                a.pop(di);
            }

            Guest.End(a, mode);
        });
    }

    private static ExitResponse InjectAtPort(InterruptionInformation information, int length) => (machine, ref exit) =>
    {
        if (exit.Reason == ExitReason.IoInstruction)
        {
            machine[VmcsField.EntryInstructionLength] = (ulong)length;
            machine.Inject(information);
            return VmExitAction.Complete;
        }

        return GuestMachine.Default(exit);
    };
}
