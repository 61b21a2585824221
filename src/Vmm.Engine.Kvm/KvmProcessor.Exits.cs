using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Kvm;

// What KVM_RUN returned for, as VM exits (SDM Vol. 3C ch. 28).
internal sealed unsafe partial class KvmProcessor
{
    private const byte HltLength = 1, MsrInstructionLength = 2;

    private VmExit _exit;
    private bool _entryControlsStale;
    private ulong _taskPriority;

    // State to go back to once KVM has finished an instruction that was not to be carried out.
    private bool _cancelled;
    private GuestRegisters _cancelledRegisters;
    private ulong _cancelledRip;

    private void Follow()
    {
        if (_run->ExitReason is KvmExitReason.Io or KvmExitReason.Mmio)
        {
            _completionPending = true;
            FollowTaskPriority();
            Access();
            return;
        }

        TakeBackEvent();
        FollowTaskPriority();
        switch (_run->ExitReason)
        {
            case KvmExitReason.Hlt:
                Hlt();
                break;
            case KvmExitReason.X86Rdmsr:
                ModelSpecificAccess(isRead: true);
                break;
            case KvmExitReason.X86Wrmsr:
                ModelSpecificAccess(isRead: false);
                break;
            case KvmExitReason.IrqWindowOpen:
                if (Has(PrimaryProcessorBasedControls.InterruptWindowExiting))
                {
                    DeliverBetween(ExitReason.InterruptWindow);
                }

                break;
            case KvmExitReason.Shutdown:
                DeliverBetween(ExitReason.TripleFault);
                break;
            case KvmExitReason.IoapicEoi:
                Begin(ExitReason.VirtualizedEoi, _run->EoiVector);
                Finish(Deliver());
                break;
            case KvmExitReason.Debug:
                Debug();
                break;
            case KvmExitReason.InternalError:
                InternalError();
                break;
            case KvmExitReason.FailEntry:
                Begin(ExitReason.EntryFailureGuestState);
                _exit.EntryFailure = true;
                Finish(Deliver());
                break;
            case KvmExitReason.Intr or KvmExitReason.SetTpr:
                break;
            default:
                throw new KvmException($"KVM ended a run for a reason that this engine does not know: {_run->ExitReason}.");
        }
    }

    private void Access()
    {
        if (_run->ExitReason == KvmExitReason.Io)
        {
            PortAccess();
        }
        else
        {
            MemoryAccess();
        }
    }

    /// <summary>I/O instructions. KVM hands over all elements at once that a string instruction has for one page.</summary>
    private void PortAccess()
    {
        ref KvmRun.IoExit io = ref _run->Io;
        bool isRead = io.IsOut == 0;
        int width = io.Size;
        uint count = io.Count;
        ushort port = io.Port;
        byte* data = (byte*)_run + io.DataOffset;
        bool isString = count > 1;
        for (uint element = 0; element < count; element++, data += width)
        {
            Begin(ExitReason.IoInstruction, IoQualification.Create(port, width, isRead, isString, isRep: isString).Value);
            _exit.Port = port;
            Access(isRead, width, data);
        }
    }

    /// <summary>Accesses to device memory: up to 8 bytes, also of lengths that no device has.</summary>
    private void MemoryAccess()
    {
        ref KvmRun.MmioExit mmio = ref _run->Mmio;
        bool isRead = mmio.IsWrite == 0;
        ulong address = mmio.PhysicalAddress;
        int length = (int)mmio.Length;
        fixed (byte* data = mmio.Data)
        {
            for (int done = 0; done < length;)
            {
                int width = 1 << Math.Min(3, System.Numerics.BitOperations.Log2((uint)(length - done)));
                EptAccess access = isRead ? EptAccess.Read : EptAccess.Write;
                Begin(ExitReason.EptViolation, EptViolationQualification.Create(access, EptAccess.None, linearAddressValid: false, isTranslated: false).Value);
                _exit.GuestPhysicalAddress = address + (ulong)done;
                Access(isRead, width, data + done);
                done += width;
            }
        }
    }

    // KVM finishes the access whatever the sink says: an access that was not carried out reads as what is there.
    private void Access(bool isRead, int width, byte* data)
    {
        ulong mask = width == 8 ? ulong.MaxValue : (1UL << (8 * width)) - 1;
        _exit.Width = (byte)width;
        _exit.Access = isRead ? VmExitAccess.Read : VmExitAccess.Write;
        _exit.Data = 0;
        if (!isRead)
        {
            Buffer.MemoryCopy(data, System.Runtime.CompilerServices.Unsafe.AsPointer(ref _exit.Data), 8, width);
        }

        VmExitAction action = Deliver();
        if (isRead)
        {
            ulong value = _exit.Data & mask;
            Buffer.MemoryCopy(&value, data, width, width);
        }

        _leaving |= action == VmExitAction.Leave;
        ReenterAfter();
    }

    // KVM has moved RIP over the HLT already; the kernel moves it itself.
    private void Hlt()
    {
        _registers.Rip -= HltLength;
        Begin(ExitReason.Hlt);
        _exit.InstructionLength = HltLength;
        Finish(Deliver());
    }

    private void ModelSpecificAccess(bool isRead)
    {
        Begin(isRead ? ExitReason.Rdmsr : ExitReason.Wrmsr);
        _exit.InstructionLength = MsrInstructionLength;
        VmExitAction action = Deliver();
        _completionPending = true;
        _run->Msr.Error = 0;
        if (action is VmExitAction.NextInstruction or VmExitAction.Complete)
        {
            ref GuestRegisters registers = ref _registers.General;
            if (isRead)
            {
                _run->Msr.Data = (registers.Rdx << 32) | (uint)registers.Rax;
            }
        }
        else
        {
            // KVM can only finish the instruction: let it, then go back to how the sink left the processor.
            _cancelled = true;
            _cancelledRegisters = _registers.General;
            _cancelledRip = _registers.Rip;
            _run->ImmediateExit = 1;
        }

        _leaving |= action == VmExitAction.Leave;
        ReenterAfter();
    }

    private void RestoreCancelled()
    {
        if (_cancelled)
        {
            _cancelled = false;
            _registers.General = _cancelledRegisters;
            _registers.Rip = _cancelledRip;
        }
    }

    // An instruction fetch from where no memory is fails in KVM's emulator: to VMX it is an EPT violation.
    private void InternalError()
    {
        ulong linear = _registers.Special.Cs.Base + _registers.Rip;
        bool translated = TryTranslate(linear, out ulong physical);
        if (_run->InternalError.Suberror == KvmRun.InternalErrorExit.Emulation && translated && !_machine.Slots.TryRead(physical, out _))
        {
            Begin(ExitReason.EptViolation, EptViolationQualification.Create(EptAccess.Execute, EptAccess.None, linearAddressValid: true, isTranslated: true).Value);
            _exit.GuestPhysicalAddress = physical;
            _exit.GuestLinearAddress = linear;
            Finish(Deliver());
            return;
        }

        string where = translated ? $"0x{linear:x} (physical 0x{physical:x})" : $"0x{linear:x}";
        throw new KvmException(_run->InternalError.Suberror == KvmRun.InternalErrorExit.Emulation
            ? $"KVM cannot emulate the instruction at {where}; --engine software can"
            : $"KVM gave up at {where} with internal error {_run->InternalError.Suberror}");
    }

    /// <summary>
    /// CR8 without exits of its own: KVM keeps it, and what the guest has written shows at the next exit, as MOV to CR8.
    /// </summary>
    private void FollowTaskPriority()
    {
        ulong now = _run->Cr8;
        if (now == _taskPriority)
        {
            return;
        }

        _taskPriority = now;
        if (Has(PrimaryProcessorBasedControls.Cr8LoadExiting) && _apic is null)
        {
            ulong rax = _registers.General.Rax;
            _registers.General.Rax = now;
            Begin(ExitReason.ControlRegisterAccess, ControlRegisterQualification.MovTo(8, 0).Value);
            _leaving |= Deliver() == VmExitAction.Leave;
            _registers.General.Rax = rax;
            ReenterAfter();
        }
    }

    private void Begin(ExitReason reason, ulong qualification = 0)
    {
        _exit = default;
        _exit.Reason = reason;
        _exit.Qualification = qualification;
    }

    private VmExitAction Deliver()
    {
        ExitCount++;
        _vmcs[VmcsField.ExitReason] = (ulong)_exit.Reason | (_exit.EntryFailure ? 1UL << 31 : 0);
        _vmcs[VmcsField.ExitQualification] = _exit.Qualification;
        _vmcs[VmcsField.GuestPhysicalAddress] = _exit.GuestPhysicalAddress;
        _vmcs[VmcsField.ExitInterruptionInformation] = _exit.InterruptionInformation;
        _vmcs[VmcsField.ExitInterruptionErrorCode] = _exit.InterruptionErrorCode;
        _vmcs[VmcsField.ExitInstructionLength] = _exit.InstructionLength;
        return _sink!.OnExit(ref _exit);
    }

    /// <summary>What follows an exit with no access to finish.</summary>
    private void Finish(VmExitAction action)
    {
        if (action == VmExitAction.NextInstruction)
        {
            _registers.Rip += _exit.InstructionLength;
        }

        _leaving |= action == VmExitAction.Leave;
        ReenterAfter();
    }

    // What the sink left behind is looked at in place; an entry that fails is told by a new exit or by the result.
    private void ReenterAfter()
    {
        if (!_leaving)
        {
            _leaving = !Reenter();
        }
    }
}
