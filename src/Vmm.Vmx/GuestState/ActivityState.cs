namespace Vmm.Vmx;

/// <summary>Activity state (SDM Vol. 3C 25.4.2).</summary>
public enum ActivityState : uint
{
    Active = 0,
    Hlt = 1,
    Shutdown = 2,
    WaitForSipi = 3,
}
