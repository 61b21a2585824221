using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>The local APIC that KVM models for one processor.</summary>
internal sealed class KvmLocalApic(KvmDescriptor vcpu, RegisterFile registers, MsrAccess msrs, SplitIrqchip chip, ITimeSource clock) : IEngineLocalApic
{
    private const ulong NanosecondsPerSecond = 1_000_000_000;

    // KVM compares the deadline with the counter as it is when the deadline is written.
    private ulong? _deadlineToLoad;

    public ActivityState Activity
    {
        get => (KvmMpState)Get<uint>(KvmRequest.GetMpState) switch
        {
            KvmMpState.Halted => ActivityState.Hlt,
            KvmMpState.Uninitialized or KvmMpState.InitReceived => ActivityState.WaitForSipi,
            _ => ActivityState.Active,
        };

        set
        {
            uint state = (uint)(value switch
            {
                ActivityState.Hlt => KvmMpState.Halted,
                ActivityState.WaitForSipi => KvmMpState.InitReceived, // in the other state KVM takes no start-up IPI
                _ => KvmMpState.Runnable,
            });
            _ = Activity; // KVM acts on an INIT or a start-up IPI of before
            vcpu.Request(KvmRequest.SetMpState, ref state);
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

    /// <summary>Whether a deadline waits for the next entry.</summary>
    public bool HasDeadlineToLoad => _deadlineToLoad is > 0;

    private long Now => (long)((UInt128)clock.Timestamp * NanosecondsPerSecond / clock.Frequency);

    private T Get<T>(KvmRequest request)
        where T : unmanaged
    {
        T structure = default;
        vcpu.Request(request, ref structure);
        return structure;
    }
}
