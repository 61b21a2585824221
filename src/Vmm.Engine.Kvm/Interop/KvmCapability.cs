namespace Vmm.Engine.Kvm.Interop;

/// <summary>Capabilities that <c>KVM_CHECK_EXTENSION</c> tells of (linux/kvm.h).</summary>
internal enum KvmCapability
{
    UserMemory = 3,
    SetTssAddr = 4,
    ExtCpuid = 7,
    MpState = 14,
    SyncMmu = 16,
    UserNmi = 22,
    SetGuestDebug = 23,
    IrqRouting = 25,
    SetIdentityMapAddr = 37,
    VcpuEvents = 41,
    Debugregs = 50,
    Xsave = 55,
    Xcrs = 56,
    TscControl = 60,
    GetTscKhz = 61,
    TscDeadlineTimer = 72,
    SyncRegs = 74,
    ReadonlyMem = 81,
    SplitIrqchip = 121,
    ImmediateExit = 136,
    X86UserSpaceMsr = 188,
    X86MsrFilter = 189,
    Sregs2 = 200,
    DisableQuirks2 = 213,
}
