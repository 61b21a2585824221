using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm;

// Events for the guest (SDM Vol. 3C 27.6): from the VMCS to KVM, and back where KVM has not delivered them yet.
internal sealed unsafe partial class KvmProcessor
{
    // What KVM was given last and may still hold; where RIP was before a software event moved it.
    private GivenEvent _given;
    private ulong? _ripBefore;

    private bool IsEventQueued => new InterruptionInformation((uint)_vmcs[VmcsField.EntryInterruptionInformation]).IsValid;

    private bool InterruptsEnabled => (_registers.Rflags & (ulong)RflagsBits.If) != 0;

    // With its own APIC KVM says so, as LINT0 counts too.
    private bool InterruptWindowIsOpen => _apic is null ? TakesInterrupts : _run->ReadyForInterruptInjection != 0;

    private bool TakesInterrupts => InterruptsEnabled && _registers.Events.InterruptShadow == 0;

    // Nothing of KVM's takes an instruction length from us, which INT n, INT3, INTO and INT1 are injected with. So RIP moves
    // over the instruction here, and the vector goes in as an interrupt (INT1: as an exception). A processor takes an
    // interrupt with IF set only (27.3.1.4). KVM makes #BP and #OF the exceptions of an INT3 and INTO of unknown length.
    private bool CanInject(InterruptionInformation information) => !information.IsValid || information.Type switch
    {
        InterruptionType.ExternalInterrupt or InterruptionType.Nmi => true,
        InterruptionType.HardwareException => !IsSoftwareOfKvm(information.Vector) || TakesAnyInterrupt,
        InterruptionType.PrivilegedSoftwareException => information.Vector == (byte)ExceptionVector.Debug,
        InterruptionType.SoftwareInterrupt or InterruptionType.SoftwareException =>
            TakesAnyInterrupt && (_registers.Rflags & (ulong)RflagsBits.Vm) == 0,
        _ => false,
    };

    private bool TakesAnyInterrupt => InterruptsEnabled || !_machine.RunsOnHardware;

    private static bool IsSoftwareOfKvm(byte vector) => vector is (byte)ExceptionVector.Breakpoint or (byte)ExceptionVector.Overflow;

    /// <summary>Gives KVM the event to inject, if there is one and the guest can take it.</summary>
    private void Inject()
    {
        _waitsForWindow = false;
        var information = new InterruptionInformation((uint)_vmcs[VmcsField.EntryInterruptionInformation]);
        if (!information.IsValid)
        {
            return;
        }

        byte vector = information.Vector;
        switch (information.Type)
        {
            case InterruptionType.ExternalInterrupt when !TakesInterrupts:
                _waitsForWindow = true;
                return;
            case InterruptionType.ExternalInterrupt:
                GiveExternalInterrupt(vector);
                break;
            case InterruptionType.Nmi:
                _registers.WriteBack();
                _vcpu.Request(KvmRequest.Nmi);
                _registers.ForgetEvents();
                break;
            case InterruptionType.PrivilegedSoftwareException:
                MoveOverInstruction();
                GiveException(vector, null);
                break;
            case InterruptionType.SoftwareInterrupt or InterruptionType.SoftwareException:
                GiveSoftwareInterrupt(vector);
                break;
            case InterruptionType.HardwareException when IsSoftwareOfKvm(vector):
                GiveInterrupt(vector);
                break;
            default:
                GiveException(vector, information.DeliversErrorCode ? (uint)_vmcs[VmcsField.EntryExceptionErrorCode] : null);
                break;
        }

        _vmcs[VmcsField.EntryInterruptionInformation] = information.Value & 0x7FFF_FFFF;
    }

    /// <summary>An event that KVM has not delivered goes back to the VMCS: the sink sees what waits, and may replace it.</summary>
    private void TakeBackEvent()
    {
        if (_given.Vector is not { } vector)
        {
            return;
        }

        KvmVcpuEvents now = _registers.Events;
        bool waits = _given.IsException
            ? now.ExceptionInjected != 0 && now.ExceptionVector == vector
            : now.InterruptInjected != 0 && now.InterruptSoft == 0 && now.InterruptVector == vector;
        if (waits)
        {
            ref KvmVcpuEvents events = ref _registers.EventsForWriting;
            events.ExceptionInjected = 0;
            events.InterruptInjected = 0;
            _registers.Rip = _ripBefore ?? _registers.Rip;
            _vmcs[VmcsField.EntryInterruptionInformation] |= 1UL << 31;
        }

        ForgetEvent();
    }

    private void ForgetEvent()
    {
        _given = default;
        _ripBefore = null;
    }

    // KVM's own APIC takes KVM_INTERRUPT for a request of the 8259A, which the guest may still refuse. Here it is
    // acknowledged: it goes where KVM keeps interrupts that it is delivering, and that ends a HLT.
    private void GiveExternalInterrupt(byte vector)
    {
        if (_apic is not null)
        {
            GiveInterrupt(vector);
            _apic.Wake(); // an INIT that has come takes the interrupt with it
            return;
        }

        _registers.WriteBack();
        uint number = vector;
        _vcpu.Request(KvmRequest.Interrupt, ref number);
        _registers.ForgetEvents();
        _given = new GivenEvent(IsException: false, vector);
    }

    // The gate must be for the guest's privilege level (SDM Vol. 3A 7.12.1.2), which nobody asks of an interrupt.
    private void GiveSoftwareInterrupt(byte vector)
    {
        if (MayUseGate(vector))
        {
            MoveOverInstruction();
            GiveInterrupt(vector);
        }
        else
        {
            const uint InDescriptorTable = 2;
            _registers.Rflags |= (ulong)RflagsBits.Rf;
            GiveException((byte)ExceptionVector.GeneralProtection, ((uint)vector << 3) | InDescriptorTable);
        }
    }

    private void GiveInterrupt(byte vector)
    {
        ref KvmVcpuEvents events = ref _registers.EventsForWriting;
        events.InterruptInjected = 1;
        events.InterruptVector = vector;
        events.InterruptSoft = 0;
        _given = new GivenEvent(IsException: false, vector);
    }

    private void GiveException(byte vector, uint? errorCode)
    {
        ref KvmVcpuEvents events = ref _registers.EventsForWriting;
        events.ExceptionInjected = 1;
        events.ExceptionVector = vector;
        events.ExceptionHasErrorCode = (byte)(errorCode.HasValue ? 1 : 0);
        events.ExceptionErrorCode = errorCode.GetValueOrDefault();
        _given = new GivenEvent(IsException: true, vector);
    }

    private void MoveOverInstruction()
    {
        KvmSegment code = _registers.Special.Cs;
        ulong mask = code.L != 0 ? ulong.MaxValue : code.Db != 0 ? uint.MaxValue : ushort.MaxValue;
        _ripBefore = _registers.Rip;
        _registers.Rip = (_registers.Rip + _vmcs[VmcsField.EntryInstructionLength]) & mask;
        _registers.EventsForWriting.InterruptShadow = 0;
    }

    private bool MayUseGate(byte vector)
    {
        KvmSpecialRegisters special = _registers.Special;
        if ((special.Cr0 & (ulong)Cr0Bits.Pe) == 0 || special.Ss.Dpl == 0)
        {
            return true;
        }

        const int AttributesAt = 5, PrivilegeAt = 5;
        int length = (special.Efer & (ulong)EferBits.Lma) != 0 ? 16 : 8;
        int offset = vector * length;
        return offset + length - 1 <= special.Idt.Limit
            && (!TryReadByte(special.Idt.Base + (ulong)(offset + AttributesAt), out byte attributes) // KVM meets the page fault
                || ((attributes >> PrivilegeAt) & 3) >= special.Ss.Dpl);
    }

    private readonly record struct GivenEvent(bool IsException, byte? Vector);
}
