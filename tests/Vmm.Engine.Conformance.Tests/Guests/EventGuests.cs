using Vmm.Engine.Conformance.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests.Guests;

/// <summary>Interrupts, NMIs, exceptions and HLT.</summary>
internal static class EventGuests
{
    private const int Vector = 0x40;
    private const byte ArmPort = 0x10, NotePort = 0x20;

    public static IEnumerable<Guest> All =>
    [
        .. from mode in Enum.GetValues<GuestMode>() select Interrupt(mode) with { NeedsHardware = mode == GuestMode.Protected },
        .. from mode in Enum.GetValues<GuestMode>() select Window(mode) with { NeedsHardware = mode == GuestMode.Protected },
        Shadow, HaltedInterrupt, Nmi, .. from mode in Enum.GetValues<GuestMode>() select BlockedNmi(mode) with { NeedsHardware = mode != GuestMode.Real },
        Exception("#DE", ExceptionVector.DivideError, hasCode: false, a =>
        {
            a.xor(ecx, ecx);
            a.mov(eax, 1);
            a.xor(edx, edx);
            a.div(ecx);
        }),
        Exception("#UD", ExceptionVector.InvalidOpcode, hasCode: false, a => a.ud2()),
        Exception("#BP", ExceptionVector.Breakpoint, hasCode: false, a => a.int3()) with { NeedsHardware = true },
        Exception("#GP of a non-canonical address", ExceptionVector.GeneralProtection, hasCode: true, a =>
        {
            a.mov(rcx, 0x8000_0000_0000_0000UL);
            a.mov(eax, __dword_ptr[rcx]);
        }),
        Exception("#GP of a bad selector", ExceptionVector.GeneralProtection, hasCode: true, a =>
        {
            a.mov(ecx, 0x1F8);
            a.mov(fs, cx);
        }),
        SoftwareInterrupt, InjectedException, DoubleFault, TripleFault, TripleFaultProtected, TripleFaultReal,
    ];

    /// <summary>An interrupt that is injected while interrupts are enabled.</summary>
    private static Guest Interrupt(GuestMode mode) => new($"an interrupt, {mode} mode", mode, a =>
    {
        a.xor(ebx, ebx);
        a.sti();
        a.nop();
        a.@out(ArmPort, al);
        a.nop();
        a.nop();
        a.cli();
    })
    {
        Arrange = machine => Handle(machine, Vector, a =>
        {
            a.inc(ebx);
            a.@out(NotePort, al);
        }),
        Respond = InjectThroughWindow,
        Check = machine =>
        {
            Assert.Equal(1UL, machine.Processor.Registers.Rbx);
            Assert.Contains("InterruptWindow", string.Join(' ', machine.Transcript.Lines));
        },
    };

    /// <summary>An interrupt that waits for STI.</summary>
    private static Guest Window(GuestMode mode) => new($"an interrupt that waits for its window, {mode} mode", mode, a =>
    {
        a.xor(ebx, ebx);
        a.cli();
        a.@out(ArmPort, al);
        a.mov(ecx, 5);
        a.nop();
        a.@out(NotePort, al);
        a.sti();
        a.nop();
        a.nop();
        a.mov(esi, ebx);
    })
    {
        Arrange = machine => Handle(machine, Vector, a => a.inc(ebx)),
        Respond = InjectThroughWindow,
        Check = machine =>
        {
            Assert.Equal(1UL, machine.Processor.Registers.Rsi);
            Assert.StartsWith("IoInstruction out port 0x20", machine.Transcript.Lines[1]);
            Assert.StartsWith("InterruptWindow", machine.Transcript.Lines[2]);
        },
    };

    private static Guest Shadow => new("no interrupt between STI and the next instruction", GuestMode.Long, a =>
    {
        a.xor(ebx, ebx);
        a.cli();
        a.@out(ArmPort, al);
        a.sti();
        a.mov(esi, ebx);
        a.nop();
    })
    {
        Arrange = machine => Handle(machine, Vector, a => a.inc(ebx)),
        Respond = InjectThroughWindow,
        Check = machine =>
        {
            Assert.Equal(0UL, machine.Processor.Registers.Rsi);
            Assert.Equal(1UL, machine.Processor.Registers.Rbx);
        },
    };

    private static Guest HaltedInterrupt => new("HLT that an interrupt ends", GuestMode.Long, a =>
    {
        a.xor(ebx, ebx);
        a.sti();
        a.hlt();
        a.mov(esi, ebx);
        a.cli();
    })
    {
        Arrange = machine => Handle(machine, Vector, a => a.inc(ebx)),
        Respond = (machine, ref exit) =>
        {
            if (exit.Reason == ExitReason.Hlt)
            {
                machine[VmcsField.GuestRip] += exit.InstructionLength;
                machine[VmcsField.GuestInterruptibilityState] = 0;
                machine.Inject(InterruptionInformation.ExternalInterrupt(Vector));
                return VmExitAction.Resume;
            }

            return GuestMachine.Default(exit);
        },
        Check = machine => Assert.Equal(1UL, machine.Processor.Registers.Rsi),
    };

    private static Guest Nmi => new("an NMI", GuestMode.Long, a =>
    {
        a.xor(ebx, ebx);
        a.cli();
        a.@out(ArmPort, al);
        a.nop();
        a.mov(esi, ebx);
    })
    {
        Arrange = machine => Handle(machine, (int)ExceptionVector.Nmi, a => a.inc(ebx)),
        Respond = InjectNmiAtArm,
        Check = machine => Assert.Equal(1UL, machine.Processor.Registers.Rsi),
    };

    /// <summary>A second NMI during the first: IRET ends its blocking.</summary>
    private static Guest BlockedNmi(GuestMode mode) => new($"an NMI during an NMI, {mode} mode", mode, a =>
    {
        a.xor(ebx, ebx);
        a.xor(edi, edi);
        a.@out(ArmPort, al);
        a.mov(ecx, 8000); // a KVM that emulates looks for events every thousand instructions
        Iced.Intel.Label loop = a.CreateLabel();
        a.Label(ref loop);
        a.dec(ecx);
        a.jne(loop);
        a.xor(eax, eax);
        for (int n = 0; n < 12; n++)
        {
            a.push(ax); // where the NMIs were taken does not count
        }

        a.mov(esp, (uint)GuestLayout.Stack);
    })
    {
        Arrange = machine => Handle(machine, (int)ExceptionVector.Nmi, a =>
        {
            Iced.Intel.Label done = a.CreateLabel();
            a.inc(ebx);
            a.cmp(ebx, 1);
            a.jne(done);
            a.@out(ArmPort, al); // the second NMI arrives here
            a.mov(edi, ebx); // and has not been taken here
            a.Label(ref done);
            a.nop();
        }),
        Respond = InjectNmiAtArm,
        Check = machine =>
        {
            Assert.Equal(2UL, machine.Processor.Registers.Rbx);
            Assert.Equal(1UL, machine.Processor.Registers.Rdi);
        },
    };

    private static Guest Exception(string name, ExceptionVector vector, bool hasCode, Action<Iced.Intel.Assembler> cause) => new($"exception {name}", GuestMode.Long, cause)
    {
        Arrange = machine =>
        {
            machine.Gate((int)vector, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                if (hasCode)
                {
                    a.pop(r12);
                }

                a.mov(r13, __[rsp]); // RIP of the fault
                a.mov(r14, __[rsp + 16]); // RFLAGS
                Guest.End(a, GuestMode.Long);
            });
        },
        Check = machine => Assert.InRange(machine.Processor.Registers.R13, GuestLayout.Code, GuestLayout.Code + 0x100),
    };

    private static Guest SoftwareInterrupt => new("INT n and IRET", GuestMode.Long, a =>
    {
        a.xor(ebx, ebx);
        a.@int(0x41);
        a.mov(esi, ebx);
    })
    {
        NeedsHardware = true,
        Arrange = machine => Handle(machine, 0x41, a => a.inc(ebx)),
        Check = machine => Assert.Equal(1UL, machine.Processor.Registers.Rsi),
    };

    private static Guest InjectedException => new("an injected general-protection fault", GuestMode.Long, a =>
    {
        a.@out(ArmPort, al);
        a.nop();
    })
    {
        Arrange = machine =>
        {
            machine.Gate((int)ExceptionVector.GeneralProtection, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                a.pop(rbx);
                Guest.ForgetResumeFlag(a, __dword_ptr[rsp + 16]);
                Guest.End(a, GuestMode.Long);
            });
        },
        Respond = (machine, ref exit) =>
        {
            if (exit.Reason == ExitReason.IoInstruction)
            {
                machine[VmcsField.EntryExceptionErrorCode] = 0x123;
                machine.Inject(InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection));
                return VmExitAction.Complete;
            }

            return GuestMachine.Default(exit);
        },
        Check = machine => Assert.Equal(0x123UL, machine.Processor.Registers.Rbx),
    };

    private static Guest DoubleFault => new("a fault whose handler is missing becomes a double fault", GuestMode.Long, a =>
    {
        a.mov(rcx, 0x8000_0000_0000_0000UL);
        a.mov(eax, __dword_ptr[rcx]);
    })
    {
        Arrange = machine =>
        {
            machine.Gate((int)ExceptionVector.DoubleFault, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                a.pop(r12);
                Guest.ForgetResumeFlag(a, __dword_ptr[rsp + 16]);
                a.mov(ebx, 8);
                Guest.End(a, GuestMode.Long);
            });
        },
        Check = machine =>
        {
            Assert.Equal(8UL, machine.Processor.Registers.Rbx);
            Assert.Equal(0UL, machine.Processor.Registers.R12);
        },
    };

    private static Guest TripleFault => new("a triple fault, long mode", GuestMode.Long, a => a.ud2())
    {
        Check = machine => Assert.StartsWith("TripleFault", machine.Transcript.Lines[^1]),
    };

    private static Guest TripleFaultProtected => new("a triple fault, protected mode", GuestMode.Protected, a =>
    {
        a.lidt(__[0x4000]); // a limit of 0
        a.ud2();
    })
    {
        Check = machine => Assert.StartsWith("TripleFault", machine.Transcript.Lines[^1]),
    };

    private static Guest TripleFaultReal => new("a triple fault, real mode", GuestMode.Real, a =>
    {
        a.lidt(__[0x4000]); // a limit of 0
        a.ud2();
    })
    {
        NeedsHardware = true,
        Check = machine => Assert.StartsWith("TripleFault", machine.Transcript.Lines[^1]),
    };

    /// <summary>A handler that returns with IRET.</summary>
    private static void Handle(GuestMachine machine, int vector, Action<Iced.Intel.Assembler> body)
    {
        machine.Gate(vector, GuestLayout.Handler);
        machine.Assemble(GuestLayout.Handler, a =>
        {
            body(a);
            if (a.Bitness == 64)
            {
                a.iretq();
            }
            else if (a.Bitness == 32)
            {
                a.iretd();
            }
            else
            {
                a.iret();
            }
        });
    }

    // As a kernel does it after an access: the window tells when the guest can take the interrupt.
    private static VmExitAction InjectThroughWindow(GuestMachine machine, ref VmExit exit)
    {
        switch (exit.Reason)
        {
            case ExitReason.IoInstruction when exit.Port == ArmPort:
                machine.Set(PrimaryProcessorBasedControls.InterruptWindowExiting);
                return VmExitAction.Complete;
            case ExitReason.InterruptWindow:
                machine.Clear(PrimaryProcessorBasedControls.InterruptWindowExiting);
                machine.Inject(InterruptionInformation.ExternalInterrupt(Vector));
                return VmExitAction.Resume;
            default:
                return GuestMachine.Default(exit);
        }
    }

    private static VmExitAction InjectNmiAtArm(GuestMachine machine, ref VmExit exit)
    {
        switch (exit.Reason)
        {
            case ExitReason.IoInstruction when exit.Port == ArmPort:
                machine.Set(PrimaryProcessorBasedControls.NmiWindowExiting);
                return VmExitAction.Complete;
            case ExitReason.NmiWindow:
                machine.Clear(PrimaryProcessorBasedControls.NmiWindowExiting);
                machine.Inject(InterruptionInformation.Nmi);
                return VmExitAction.Resume;
            default:
                return GuestMachine.Default(exit);
        }
    }
}
