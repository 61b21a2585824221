namespace Vmm.Vmx;

/// <summary>Interruptibility state (SDM Vol. 3C 25.4.2, table 25-3).</summary>
[Flags]
public enum InterruptibilityState : uint
{
    None = 0,
    BlockingBySti = 1u << 0,
    BlockingByMovSs = 1u << 1,
    BlockingBySmi = 1u << 2,
    BlockingByNmi = 1u << 3,
    EnclaveInterruption = 1u << 4,
}
