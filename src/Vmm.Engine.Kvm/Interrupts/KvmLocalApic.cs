using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>The local APIC that KVM models for one processor.</summary>
/// <param name="vcpu">The processor.</param>
/// <param name="registers">Its registers.</param>
/// <param name="msrs">Its MSRs.</param>
/// <param name="chip">Where its messages come from.</param>
/// <param name="clock">The VM's time.</param>
/// <param name="setTimestamp">Brings the time-stamp counter up to date.</param>
/// <param name="mayHaveReset">Called when KVM may have reset the processor.</param>
internal sealed class KvmLocalApic(
    KvmDescriptor vcpu, RegisterFile registers, MsrAccess msrs, SplitIrqchip chip, ITimeSource clock, Action setTimestamp, Action mayHaveReset) : IEngineLocalApic
{
    private const ulong NanosecondsPerSecond = 1_000_000_000;

    // KVM compares the deadline with the counter as it is when the deadline is written.
    private ulong? _deadlineToLoad;

    public ActivityState Activity
    {
        get => AcceptSignals() switch
        {
            KvmMpState.Halted => ActivityState.Hlt,
            KvmMpState.Uninitialized or KvmMpState.InitReceived => ActivityState.WaitForSipi,
            _ => ActivityState.Active,
        };

        set
        {
            AcceptSignals(); // those of before
            Set(value switch
            {
                ActivityState.Hlt => KvmMpState.Halted,
                ActivityState.WaitForSipi => KvmMpState.InitReceived, // in the other state KVM takes no start-up IPI
                _ => KvmMpState.Runnable,
            });
        }
    }

    /// <summary>Ends a HLT, but no wait for a start-up IPI.</summary>
    public void Wake()
    {
        if (AcceptSignals() == KvmMpState.Halted)
        {
            Set(KvmMpState.Runnable);
        }
    }

    public LocalApicState Save()
    {
        KvmLapicState page = Get<KvmLapicState>(KvmRequest.GetLapic);
        LocalApicState state = ApicRegisters.Read(in page, registers.Special.ApicBase, Now);
        state.TimestampDeadline = _deadlineToLoad ?? msrs.Read(Msr.Ia32TscDeadline);
        return state;
    }

    public void Load(LocalApicState state)
    {
        foreach (byte vector in ApicRegisters.LevelTriggered(state))
        {
            chip.TellEnds(vector);
        }

        // KVM notes expiries as values of the counter, too, and looks at them when the processor moves.
        setTimestamp();

        // The mode decides what the page means; CR8 is part of both.
        registers.SpecialForWriting.ApicBase = state.Base;
        registers.WriteBack();
        KvmLapicState page = ApicRegisters.Write(state, Now);
        vcpu.Request(KvmRequest.SetLapic, ref page);
        registers.ForgetSpecial();
        _deadlineToLoad = state.TimestampDeadline;
    }

    /// <summary>The time-stamp counter has been set: a deadline that waits is compared with it anew.</summary>
    public void NoteTimestamp()
    {
        ulong deadline = _deadlineToLoad ?? msrs.Read(Msr.Ia32TscDeadline);
        _deadlineToLoad = null;
        if (deadline != 0)
        {
            _ = msrs.TryWrite(Msr.Ia32TscDeadline, deadline);
        }
    }

    /// <summary>Whether a deadline, or none, waits for the next entry.</summary>
    public bool HasDeadlineToLoad => _deadlineToLoad is not null;

    private long Now => (long)((UInt128)clock.Timestamp * NanosecondsPerSecond / clock.Frequency);

    // KVM acts on INIT and start-up IPIs when it is asked for the state, and changes registers of every kind then.
    private KvmMpState AcceptSignals()
    {
        registers.HandOver();
        var state = (KvmMpState)Get<uint>(KvmRequest.GetMpState);
        registers.TakeOver();
        mayHaveReset();
        return state;
    }

    private void Set(KvmMpState state)
    {
        uint number = (uint)state;
        vcpu.Request(KvmRequest.SetMpState, ref number);
    }

    private T Get<T>(KvmRequest request)
        where T : unmanaged
    {
        T structure = default;
        vcpu.Request(request, ref structure);
        return structure;
    }
}
