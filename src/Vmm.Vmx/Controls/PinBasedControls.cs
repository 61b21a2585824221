namespace Vmm.Vmx;

/// <summary>Pin-based VM-execution controls (SDM Vol. 3C 25.6.1, table 25-5).</summary>
[Flags]
public enum PinBasedControls : uint
{
    None = 0,
    ExternalInterruptExiting = 1u << 0,
    NmiExiting = 1u << 3,
    VirtualNmis = 1u << 5,
    ActivatePreemptionTimer = 1u << 6,
    ProcessPostedInterrupts = 1u << 7,
}
