using Vmm.Engine.Conformance.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests.Guests;

/// <summary>MSRs, CPUID and control registers.</summary>
internal static class SystemGuests
{
    private const uint Intercepted = 0x17B, Refused = 0x1234_5678;

    public static IEnumerable<Guest> All => [ReadMsr, PassedMsrs, RefusedMsr, MsrWithInterrupt, Cpuid, TaskPriority, DebugRegisters, Sse, Fpu];

    private static Guest ReadMsr => new("MSRs that exit", GuestMode.Long, a =>
    {
        a.mov(ecx, Intercepted);
        a.mov(rax, unchecked((long)0xFFFF_FFFF_0000_0001UL));
        a.rdmsr();
        a.mov(rbx, rax);
        a.mov(rsi, rdx);
        a.mov(eax, 0x1111);
        a.mov(edx, 0x2222);
        a.wrmsr();
    })
    {
        Respond = (machine, ref exit) =>
        {
            if (exit.Reason == ExitReason.Rdmsr)
            {
                machine.Processor.Registers.Rax = 0x5566_7788;
                machine.Processor.Registers.Rdx = 0x1122_3344;
            }

            return GuestMachine.Default(exit);
        },
        Check = machine =>
        {
            Assert.Equal(0x5566_7788UL, machine.Processor.Registers.Rbx);
            Assert.Equal(0x1122_3344UL, machine.Processor.Registers.Rsi);
            Assert.StartsWith("Wrmsr 0x17b", machine.Transcript.Lines[1]);
        },
    };

    private static Guest PassedMsrs => new("MSRs that do not exit", GuestMode.Long, a =>
    {
        foreach (uint msr in (uint[])[Msr.Ia32Lstar, Msr.Ia32KernelGsBase, Msr.Ia32SysenterEip, Msr.Ia32FsBase])
        {
            a.mov(ecx, msr);
            a.mov(eax, 0x1000 + (msr & 0xFF));
            a.mov(edx, 0x7F);
            a.wrmsr();
            a.xor(eax, eax);
            a.xor(edx, edx);
            a.rdmsr();
            a.add(rbx, rax);
            a.add(rbx, rdx);
        }
    })
    {
        Check = machine => Assert.DoesNotContain(machine.Transcript.Lines, line => line.Contains("msr", StringComparison.Ordinal)),
    };

    private static Guest RefusedMsr => new("an MSR that nobody knows", GuestMode.Long, a =>
    {
        a.mov(ecx, Refused);
        a.mov(eax, 3);
        a.mov(edx, 4);
        a.rdmsr();
    })
    {
        Arrange = machine =>
        {
            machine.Gate((int)ExceptionVector.GeneralProtection, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                a.pop(rbx);
                a.pop(rsi);
                Guest.ForgetResumeFlag(a, __dword_ptr[rsp + 8]);
                Guest.End(a, GuestMode.Long);
            });
        },
        Respond = (machine, ref exit) =>
        {
            if (exit.Reason == ExitReason.Rdmsr)
            {
                machine[VmcsField.EntryExceptionErrorCode] = 0;
                machine.Inject(InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection));
                return VmExitAction.Resume;
            }

            return GuestMachine.Default(exit);
        },
        Check = machine =>
        {
            Assert.Equal(4UL, machine.Processor.Registers.Rdx);
            Assert.Equal(GuestLayout.Code + 15, machine.Processor.Registers.Rsi);
        },
    };

    /// <summary>A write that makes an interrupt deliverable: the kernel moves RIP itself and injects at once.</summary>
    private static Guest MsrWithInterrupt => new("an interrupt injected behind WRMSR", GuestMode.Long, a =>
    {
        a.xor(ebx, ebx);
        a.sti();
        a.nop();
        a.mov(ecx, Intercepted);
        a.wrmsr();
        a.mov(esi, ebx);
        a.cli();
    })
    {
        Arrange = machine =>
        {
            machine.Gate(0x40, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                a.inc(ebx);
                a.iretq();
            });
        },
        Respond = (machine, ref exit) =>
        {
            if (exit.Reason == ExitReason.Wrmsr)
            {
                machine[VmcsField.GuestRip] += exit.InstructionLength;
                machine.Inject(InterruptionInformation.ExternalInterrupt(0x40));
                return VmExitAction.Resume;
            }

            return GuestMachine.Default(exit);
        },
        Check = machine => Assert.Equal(1UL, machine.Processor.Registers.Rsi),
    };

    private static Guest Cpuid => new("CPUID shows what the board says", GuestMode.Long, a =>
    {
        a.mov(eax, 0x4000_0000);
        a.xor(ecx, ecx);
        a.cpuid();
        a.mov(esi, ebx);
        a.mov(edi, ecx);
        a.mov(eax, 0xB);
        a.mov(ecx, 1);
        a.cpuid();
        a.mov(r8d, ebx);
        a.mov(eax, 0x16);
        a.xor(ecx, ecx);
        a.cpuid();
        a.mov(r9d, edx);
    })
    {
        // Leaves 1 and 7 are left alone: a KVM that runs guests in user mode (kvm_pvm) shows the host's own features there.
        Arrange = machine =>
        {
            machine.Cpuid[(0, 0)] = new CpuidResult(0x16, 0, 0, 0);
            machine.Cpuid[(0xB, 0)] = new CpuidResult(0, 0x70, 0x100, 0);
            machine.Cpuid[(0xB, 1)] = new CpuidResult(1, 0x71, 0x201, 0);
            machine.Cpuid[(0x16, 0)] = new CpuidResult(1, 2, 3, 4);
            machine.Cpuid[(0x4000_0000, 0)] = new CpuidResult(0x4000_0001, 0x6D6D_7621, 0x2121_2121, 0);
        },
        Check = machine =>
        {
            GuestRegisters registers = machine.Processor.Registers;
            Assert.Equal(0x6D6D_7621UL, registers.Rsi);
            Assert.Equal(0x2121_2121UL, registers.Rdi);
            Assert.Equal(0x71UL, registers.R8);
            Assert.Equal(4UL, registers.R9);
        },
    };

    private static Guest TaskPriority => new("MOV to and from CR8", GuestMode.Long, a =>
    {
        a.mov(eax, 5);
        a.mov(cr8, rax);
        a.@out(0x80, al);
        a.mov(rbx, cr8);
    })
    {
        Check = machine => Assert.Equal(5UL, machine.Processor.Registers.Rbx),
    };

    private static Guest DebugRegisters => new("a data breakpoint", GuestMode.Long, a =>
    {
        a.mov(eax, (uint)GuestLayout.Data);
        a.mov(dr0, rax);
        a.mov(eax, 0x0001_0402); // DR0, data writes of one byte
        a.mov(dr7, rax);
        a.mov(ecx, 1);
        a.mov(__byte_ptr[GuestLayout.Data], cl);
        a.mov(ecx, 2);
    })
    {
        NeedsHardware = true,
        Arrange = machine =>
        {
            machine.Gate((int)ExceptionVector.Debug, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                a.mov(rbx, dr6);
                a.mov(esi, ecx);
                a.iretq();
            });
        },
        Check = machine =>
        {
            Assert.Equal(1UL, machine.Processor.Registers.Rbx & 0xF);
            Assert.Equal(1UL, machine.Processor.Registers.Rsi);
        },
    };

    private static Guest Sse => new("SSE registers", GuestMode.Long, a =>
    {
        a.mov(rax, 0x1122_3344_5566_7788L);
        a.movq(xmm0, rax);
        a.movdqa(xmm1, xmm0);
        a.movdqu(__xmmword_ptr[GuestLayout.Data], xmm1);
        a.mov(rbx, __qword_ptr[GuestLayout.Data]);
    })
    {
        NeedsHardware = true,
        Check = machine => Assert.Equal(0x1122_3344_5566_7788UL, machine.Processor.Registers.Rbx),
    };

    private static Guest Fpu => new("x87 registers", GuestMode.Long, a =>
    {
        a.fninit();
        a.fldpi();
        a.fld1();
        a.fnstcw(__word_ptr[GuestLayout.Data]);
        a.movzx(ebx, __word_ptr[GuestLayout.Data]);
    })
    {
        NeedsHardware = true,
        Check = machine => Assert.Equal(0x37FUL, machine.Processor.Registers.Rbx),
    };
}
