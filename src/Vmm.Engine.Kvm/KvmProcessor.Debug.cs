using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm;

// KVM_SET_GUEST_DEBUG, by which #BP, #DB and the end of an instruction come out of the guest (KVM_EXIT_DEBUG).
internal sealed unsafe partial class KvmProcessor
{
    private const Dr6Bits Breakpoints = Dr6Bits.B0 | Dr6Bits.B1 | Dr6Bits.B2 | Dr6Bits.B3;

    private KvmGuestDebug _debug;

    private bool Intercepts(ExceptionVector vector) => (_vmcs[VmcsField.ExceptionBitmap] & (1UL << (int)vector)) != 0;

    private void SetDebugControl(bool steps)
    {
        var wanted = new KvmGuestDebug
        {
            Control = (steps ? KvmGuestDebug.SingleStep : 0)
                | (Intercepts(ExceptionVector.Breakpoint) ? KvmGuestDebug.SoftwareBreakpoints : 0),
        };
        if (Intercepts(ExceptionVector.Debug))
        {
            // These stand in for the guest's own debug registers: KVM hands out what they cause, and nothing else.
            KvmDebugRegisters guest = _registers.Debug;
            wanted.Control |= KvmGuestDebug.HardwareBreakpoints;
            (wanted.Dr0, wanted.Dr1, wanted.Dr2, wanted.Dr3, wanted.Dr7) = (guest.Db[0], guest.Db[1], guest.Db[2], guest.Db[3], guest.Dr7);
        }

        wanted.Control |= wanted.Control == 0 ? 0 : KvmGuestDebug.Enable;
        if (!wanted.Equals(_debug))
        {
            _debug = wanted;
            _vcpu.Request(KvmRequest.SetGuestDebug, ref wanted);
        }
    }

    private void Debug()
    {
        if (_run->Debug.Exception == (uint)ExceptionVector.Breakpoint)
        {
            Begin(ExitReason.ExceptionOrNmi);
            _exit.InstructionLength = 1;
            _exit.InterruptionInformation = InterruptionInformation.Create(InterruptionType.SoftwareException, (byte)ExceptionVector.Breakpoint).Value;
            Finish(Deliver());
            return;
        }

        bool stepped = (_debug.Control & KvmGuestDebug.SingleStep) != 0;
        Dr6Bits causes = new DebugExceptionQualification(_run->Debug.Dr6).Causes;
        if (Intercepts(ExceptionVector.Debug) && (!stepped || (causes & ~Dr6Bits.Bs) != 0))
        {
            Begin(ExitReason.ExceptionOrNmi, DebugExceptionQualification.Create(causes).Value);
            _exit.InterruptionInformation = InterruptionInformation.HardwareException(ExceptionVector.Debug).Value;
            Finish(Deliver());
            return;
        }

        if ((causes & ~Dr6Bits.Bs) != 0 && !IsEventQueued)
        {
            GiveGuest(causes & ~Dr6Bits.Bs);
        }

        if (Has(PrimaryProcessorBasedControls.MonitorTrapFlag))
        {
            DeliverBetween(ExitReason.MonitorTrapFlag);
        }
    }

    // While we step, KVM hands out the guest's own debug exceptions as well: they are the guest's.
    private void GiveGuest(Dr6Bits causes)
    {
        ref KvmDebugRegisters registers = ref _registers.DebugForWriting;
        registers.Dr6 = (registers.Dr6 & ~(ulong)Breakpoints) | (ulong)causes;
        if (IsFault(causes, registers.Dr7))
        {
            _registers.Rflags |= (ulong)RflagsBits.Rf; // or it comes again behind the handler
        }

        _vmcs[VmcsField.EntryInterruptionInformation] = InterruptionInformation.HardwareException(ExceptionVector.Debug).Value;
    }

    // Instruction breakpoints, whose R/W field in DR7 is 0 (SDM Vol. 3B 18.2.4).
    private static bool IsFault(Dr6Bits causes, ulong dr7)
    {
        for (int n = 0; n < 4; n++)
        {
            if (((ulong)causes & (1UL << n)) != 0 && ((dr7 >> (16 + (4 * n))) & 3) == 0)
            {
                return true;
            }
        }

        return false;
    }
}
