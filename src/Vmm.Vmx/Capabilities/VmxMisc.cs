namespace Vmm.Vmx;

/// <summary>Bits of IA32_VMX_MISC (SDM Vol. 3D A.6).</summary>
public static class VmxMisc
{
    /// <summary>Bits 4:0: the preemption timer counts down when this bit of the time-stamp counter changes.</summary>
    public const ulong PreemptionTimerShiftMask = 0x1F;

    /// <summary>Bit 5: VM exits store IA32_EFER.LMA into the "IA-32e mode guest" VM-entry control.</summary>
    public const ulong StoresLma = 1ul << 5;

    /// <summary>Bit 6: activity state HLT.</summary>
    public const ulong ActivityHlt = 1ul << 6;

    /// <summary>Bit 7: activity state shutdown.</summary>
    public const ulong ActivityShutdown = 1ul << 7;

    /// <summary>Bit 8: activity state wait-for-SIPI.</summary>
    public const ulong ActivityWaitForSipi = 1ul << 8;

    /// <summary>Bits 24:16: number of CR3-target values.</summary>
    public const int Cr3TargetsShift = 16;

    /// <summary>Bits 24:16, shifted down.</summary>
    public const ulong Cr3TargetsMask = 0x1FF;

    /// <summary>Bit 29: VMWRITE may write VM-exit information fields.</summary>
    public const ulong ReadOnlyFieldsWritable = 1ul << 29;

    /// <summary>Bit 30: software events may be injected with instruction length 0.</summary>
    public const ulong ZeroLengthInjection = 1ul << 30;
}
