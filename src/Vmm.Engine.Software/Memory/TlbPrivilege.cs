namespace Vmm.Engine.Software.Memory;

/// <summary>Whose accesses a pair of fast TLBs serves; the number of its table for reads, before that for writes.</summary>
internal enum TlbPrivilege
{
    /// <summary>A supervisor that may access user pages: with EFLAGS.AC, or without CR4.SMAP.</summary>
    Supervisor = 0,

    SupervisorUnderSmap = 2,

    User = 4,
}
