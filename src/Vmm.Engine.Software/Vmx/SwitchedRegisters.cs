using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>
/// The registers that the VM-entry and VM-exit controls switch one by one between guest and host, and SYSENTER's, which
/// are always switched (SDM Vol. 3C 27.3.2.1, 28.3.1, 28.5.1).
/// </summary>
internal unsafe struct SwitchedRegisters
{
    private const ulong ResetPat = 0x0007_0406_0007_0406;

    public ulong Dr7;
    public ulong DebugCtl;
    public ulong Pat;
    public ulong Efer;
    public ulong SysenterCs;
    public ulong SysenterEsp;
    public ulong SysenterEip;

    /// <summary>Those of a host that no exit has loaded yet: a 64-bit one, else as after reset.</summary>
    public static SwitchedRegisters Host => new()
    {
        Dr7 = (ulong)Dr7Bits.Fixed1,
        Pat = ResetPat,
        Efer = (ulong)(EferBits.Lme | EferBits.Lma),
    };

    public static SwitchedRegisters From(CpuState* s) => new()
    {
        Dr7 = s->Dr[7],
        DebugCtl = s->DebugCtl,
        Pat = s->Pat,
        Efer = s->Efer,
        SysenterCs = s->SysenterCs,
        SysenterEsp = s->SysenterEsp,
        SysenterEip = s->SysenterEip,
    };

    public readonly void To(CpuState* s)
    {
        s->Dr[7] = Dr7;
        s->DebugCtl = DebugCtl;
        s->Pat = Pat;
        s->Efer = Efer;
        s->SysenterCs = SysenterCs;
        s->SysenterEsp = SysenterEsp;
        s->SysenterEip = SysenterEip;
    }
}
