using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>Implicit supervisor accesses to descriptor tables and task-state segments (SDM Vol. 3A 4.6.1).</summary>
internal static unsafe class SystemAccess
{
    public static bool Read<T>(CpuState* s, ulong linear, out T value) where T : unmanaged =>
        LogicalProcessor.Of(s).Mmu.ReadSupervisor(Address(s, linear), out value);

    public static bool Write<T>(CpuState* s, ulong linear, T value) where T : unmanaged =>
        LogicalProcessor.Of(s).Mmu.WriteSupervisor(Address(s, linear), value);

    private static ulong Address(CpuState* s, ulong linear) => ProcessorMode.IsLong(s) ? linear : (uint)linear;
}
