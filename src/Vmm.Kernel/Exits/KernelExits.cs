namespace Vmm.Kernel;

/// <summary>The kernel's own service for each exit reason.</summary>
internal static class KernelExits
{
    /// <summary>The service of a reason.</summary>
    public static ExitService For(ExitReason reason) => reason switch
    {
        ExitReason.IoInstruction => Io,
        ExitReason.EptViolation => EptViolations.Handle,
        ExitReason.Rdmsr => MsrExits.Read,
        ExitReason.Wrmsr => MsrExits.Write,
        ExitReason.Cpuid => Cpuid,
        ExitReason.Hlt => Hlt,
        ExitReason.ControlRegisterAccess => ControlRegisterExits.Handle,
        ExitReason.Xsetbv => Xsetbv,
        ExitReason.Vmcall => Vmcall,
        ExitReason.InterruptWindow => InterruptWindow,
        ExitReason.NmiWindow => NmiWindow,
        ExitReason.PreemptionTimerExpired => QuantumOver,
        ExitReason.Pause => Yield,
        ExitReason.TripleFault => TripleFault,
        ExitReason.VirtualizedEoi => EndOfInterrupt,

        ExitReason.ExceptionOrNmi => ExceptionOrNmi,

        // The kick: what it was for is settled after the exit.
        ExitReason.ExternalInterrupt or ExitReason.InitSignal or ExitReason.StartupIpi => Resume,

        // Task switches always exit (SDM Vol. 3C 26.2) though the kernel has no opinion: the engine makes the switch.
        ExitReason.TaskSwitch => Complete,

        // There is no cache to write back or to lose.
        ExitReason.Invd or ExitReason.WbinvdOrWbnoinvd => Skip,

        ExitReason.Rdpmc => GeneralProtection,

        // Instructions that CPUID does not announce.
        ExitReason.Getsec or ExitReason.Monitor or ExitReason.Mwait or ExitReason.Rsm or ExitReason.Encls
            or ExitReason.Vmclear or ExitReason.Vmlaunch or ExitReason.Vmptrld or ExitReason.Vmptrst or ExitReason.Vmread
            or ExitReason.Vmresume or ExitReason.Vmwrite or ExitReason.Vmxoff or ExitReason.Vmxon
            or ExitReason.Invept or ExitReason.Invvpid or ExitReason.Vmfunc => InvalidOpcode,

        _ => Unexpected,
    };

    private static VmExitAction Io(VirtualProcessor processor, ref VmExit exit)
    {
        PortSpace ports = processor.Machine.Ports;
        if (exit.Access == VmExitAccess.Read)
        {
            exit.Data = ports.Read(exit.Port, exit.Width);
        }
        else
        {
            ports.Write(exit.Port, exit.Width, (uint)exit.Data);
        }

        return VmExitAction.Complete;
    }

    private static VmExitAction Cpuid(VirtualProcessor processor, ref VmExit exit)
    {
        ref GuestRegisters registers = ref processor.Registers;
        CpuidResult result = processor.Machine.Cpuid.Query(processor, (uint)registers.Rax, (uint)registers.Rcx);
        registers.Rax = result.Eax;
        registers.Rbx = result.Ebx;
        registers.Rcx = result.Ecx;
        registers.Rdx = result.Edx;
        return VmExitAction.NextInstruction;
    }

    private static VmExitAction Hlt(VirtualProcessor processor, ref VmExit exit) => processor.Halt(exit.InstructionLength);

    private static VmExitAction Vmcall(VirtualProcessor processor, ref VmExit exit)
    {
        ref GuestRegisters registers = ref processor.Registers;
        if (processor.Machine.Hypercalls.TryCall(processor, ref registers))
        {
            return VmExitAction.NextInstruction;
        }

        return InvalidOpcode(processor, ref exit);
    }

    // XSETBV checks (SDM Vol. 2C): ring 0, XCR0 only, x87 always, AVX only with SSE, nothing that CPUID does not announce.
    private static VmExitAction Xsetbv(VirtualProcessor processor, ref VmExit exit)
    {
        const ulong X87 = 1, Sse = 2, Avx = 4;
        ref GuestRegisters registers = ref processor.Registers;
        ulong value = (registers.Rdx << 32) | (uint)registers.Rax;
        bool legal = (uint)registers.Rcx == 0 && processor.PrivilegeLevel == 0 && (value & X87) != 0
            && ((value & Avx) == 0 || (value & Sse) != 0) && (value & ~processor.Machine.Cpuid.SupportedXcr0) == 0;
        if (!legal)
        {
            return GeneralProtection(processor, ref exit);
        }

        processor.Logical.Xcr0 = value;
        return VmExitAction.NextInstruction;
    }

    private static VmExitAction InterruptWindow(VirtualProcessor processor, ref VmExit exit)
    {
        processor.CloseInterruptWindow();
        return VmExitAction.Resume;
    }

    private static VmExitAction NmiWindow(VirtualProcessor processor, ref VmExit exit)
    {
        processor.CloseNmiWindow();
        return VmExitAction.Resume;
    }

    // An engine's APIC tells the vector by the qualification (SDM Vol. 3C 28.2.1).
    private static VmExitAction EndOfInterrupt(VirtualProcessor processor, ref VmExit exit)
    {
        processor.Machine.Interrupts.EndOfInterrupt((byte)exit.Qualification);
        return VmExitAction.Resume;
    }

    private static VmExitAction QuantumOver(VirtualProcessor processor, ref VmExit exit)
    {
        processor.Yield();
        return VmExitAction.Leave;
    }

    private static VmExitAction Yield(VirtualProcessor processor, ref VmExit exit)
    {
        processor.YieldAfterExit();
        return VmExitAction.NextInstruction;
    }

    private static VmExitAction TripleFault(VirtualProcessor processor, ref VmExit exit)
    {
        processor.TripleFault();
        return VmExitAction.Leave;
    }

    // Of exceptions the kernel intercepts #MF only. The processor stops before its instruction until an interrupt comes
    // (SDM Vol. 1 8.7.2), which is what HLT would do there.
    private static VmExitAction ExceptionOrNmi(VirtualProcessor processor, ref VmExit exit)
    {
        var error = InterruptionInformation.HardwareException(ExceptionVector.X87FloatingPoint);
        if (exit.InterruptionInformation != error.Value)
        {
            return VmExitAction.Resume;
        }

        if (!processor.ReportsFloatingPointErrors)
        {
            processor.InjectException((byte)ExceptionVector.X87FloatingPoint, null);
            return VmExitAction.Resume;
        }

        processor.Machine.FloatingPointErrors.Assert();
        return processor.Halt(instructionLength: 0);
    }

    private static VmExitAction Resume(VirtualProcessor processor, ref VmExit exit) => VmExitAction.Resume;

    private static VmExitAction Complete(VirtualProcessor processor, ref VmExit exit) => VmExitAction.Complete;

    private static VmExitAction Skip(VirtualProcessor processor, ref VmExit exit) => VmExitAction.NextInstruction;

    private static VmExitAction InvalidOpcode(VirtualProcessor processor, ref VmExit exit)
    {
        processor.InjectException((byte)ExceptionVector.InvalidOpcode, null);
        return VmExitAction.Resume;
    }

    private static VmExitAction GeneralProtection(VirtualProcessor processor, ref VmExit exit)
    {
        processor.InjectException((byte)ExceptionVector.GeneralProtection, 0);
        return VmExitAction.Resume;
    }

    private static VmExitAction Unexpected(VirtualProcessor processor, ref VmExit exit)
    {
        processor.Fail($"VM exit {exit.Reason}{(exit.EntryFailure ? " (the VM entry failed)" : "")}, qualification 0x{exit.Qualification:x}");
        return VmExitAction.Leave;
    }
}
