using System.Runtime.InteropServices;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>Where translated code finds what it needs in <see cref="CpuState"/>.</summary>
internal static class StateOffsets
{
    public static readonly int Rip = Of(nameof(CpuState.Rip));
    public static readonly int Cpl = Of(nameof(CpuState.Cpl));
    public static readonly int GsBase = Of(nameof(CpuState.Gs));
    public static readonly int KernelGsBase = Of(nameof(CpuState.KernelGsBase));
    public static readonly int SystemFlags = Of(nameof(CpuState.SystemFlags));
    public static readonly int EventPending = Of(nameof(CpuState.EventPending));
    public static readonly int ReadTlb = Of(nameof(CpuState.ReadTlb));
    public static readonly int WriteTlb = Of(nameof(CpuState.WriteTlb));
    public static readonly int PrivilegeTlbs = Of(nameof(CpuState.PrivilegeTlbs));
    public static readonly int AwaitsInterruptWindow = Of(nameof(CpuState.AwaitsInterruptWindow));
    public static readonly int BlockMode = Of(nameof(CpuState.BlockMode));
    public static readonly int Efer = Of(nameof(CpuState.Efer));
    public static readonly int Star = Of(nameof(CpuState.Star));
    public static readonly int Lstar = Of(nameof(CpuState.Lstar));
    public static readonly int Fmask = Of(nameof(CpuState.Fmask));
    public static readonly int Cs = Of(nameof(CpuState.Cs));
    public static readonly int Ss = Of(nameof(CpuState.Ss));
    public static readonly int SegmentBase = Of(nameof(CpuState.SegmentBase));
    public static readonly int LocalJumpKey = Of(nameof(CpuState.LocalJumpKey));
    public static readonly int GlobalJumpKey = Of(nameof(CpuState.GlobalJumpKey));
    public static readonly int Jumps = Of(nameof(CpuState.Jumps));
    public static readonly int NativeFlags = Of(nameof(CpuState.NativeFlags));
    public static readonly int ExitSite = Of(nameof(CpuState.ExitSite));
    public static readonly int VectorsLoaded = Of(nameof(CpuState.VectorsLoaded));
    public static readonly int Mxcsr = Of(nameof(CpuState.Mxcsr));
    public static readonly int X87Loaded = Of(nameof(CpuState.X87Loaded));
    public static readonly int X87Control = Of(nameof(CpuState.FpuControl));
    public static readonly int X87Status = Of(nameof(CpuState.FpuStatus));
    public static readonly int X87Top = Of(nameof(CpuState.FpuTop));
    public static readonly int X87TagsEmpty = Of(nameof(CpuState.FpuTagsEmpty));
    public static readonly int X87LastInstruction = Of(nameof(CpuState.FpuLastInstruction));

    public static readonly int BlocksRun = Of(nameof(CpuState.BlocksRun));

    private static int Of(string field) => (int)Marshal.OffsetOf<CpuState>(field);
}
