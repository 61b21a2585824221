namespace Vmm.Vmx;

/// <summary>Exit reasons in the SDM's words (SDM Vol. 3D appendix C, table C-1).</summary>
public static class ExitReasonText
{
    private static readonly string?[] Texts = Build();

    extension(ExitReason reason)
    {
        /// <summary>What people call the exit: <c>I/O instruction</c>.</summary>
        public string DisplayText => (uint)reason < (uint)Texts.Length && Texts[(int)reason] is string text ? text : $"reason {(int)reason}";
    }

    private static string?[] Build()
    {
        string?[] texts = new string?[(int)Enum.GetValues<ExitReason>().Max() + 1];
        foreach (ExitReason reason in Enum.GetValues<ExitReason>())
        {
            texts[(int)reason] = Text(reason);
        }

        return texts;
    }

    private static string Text(ExitReason reason) => reason switch
    {
        ExitReason.ExceptionOrNmi => "exception or NMI",
        ExitReason.ExternalInterrupt => "external interrupt",
        ExitReason.TripleFault => "triple fault",
        ExitReason.InitSignal => "INIT signal",
        ExitReason.StartupIpi => "start-up IPI",
        ExitReason.IoSmi => "I/O SMI",
        ExitReason.OtherSmi => "other SMI",
        ExitReason.InterruptWindow => "interrupt window",
        ExitReason.NmiWindow => "NMI window",
        ExitReason.TaskSwitch => "task switch",
        ExitReason.ControlRegisterAccess => "control-register access",
        ExitReason.MovDr => "MOV DR",
        ExitReason.IoInstruction => "I/O instruction",
        ExitReason.EntryFailureGuestState => "VM-entry failure: invalid guest state",
        ExitReason.EntryFailureMsrLoading => "VM-entry failure: MSR loading",
        ExitReason.EntryFailureMachineCheck => "VM-entry failure: machine check",
        ExitReason.MonitorTrapFlag => "monitor trap flag",
        ExitReason.TprBelowThreshold => "TPR below threshold",
        ExitReason.ApicAccess => "APIC access",
        ExitReason.VirtualizedEoi => "virtualized EOI",
        ExitReason.GdtrOrIdtrAccess => "GDTR or IDTR access",
        ExitReason.LdtrOrTrAccess => "LDTR or TR access",
        ExitReason.EptViolation => "EPT violation",
        ExitReason.EptMisconfiguration => "EPT misconfiguration",
        ExitReason.PreemptionTimerExpired => "preemption timer expired",
        ExitReason.WbinvdOrWbnoinvd => "WBINVD or WBNOINVD",
        ExitReason.ApicWrite => "APIC write",
        ExitReason.PageModificationLogFull => "page-modification log full",

        // The rest is named after its instruction
        _ => reason.ToString().ToUpperInvariant(),
    };
}
