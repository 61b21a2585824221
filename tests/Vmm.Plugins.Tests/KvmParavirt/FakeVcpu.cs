using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.KvmParavirt;

/// <summary>A processor whose time-stamp counter follows the board's clock.</summary>
internal sealed class FakeVcpu(FakeBoard board, int index = 0, ulong frequency = 2_000_000_000) : IVirtualProcessor
{
    public VcpuId Id { get; } = new(1, index);

    public ulong InstructionPointer { get; set; }

    public int PrivilegeLevel { get; init; }

    public ulong TimestampOffset { get; set; } = 1_000_000;

    public ulong TimestampCounter =>
        TimestampOffset + (ulong)((UInt128)(ulong)board.Clock.NowNanoseconds * frequency / 1_000_000_000);

    public ulong TimestampFrequency => frequency;

    public IGuestMemory Memory => board.Memory;

    public void InjectException(byte vector, uint? errorCode) => throw new InvalidOperationException("No exception is expected.");
}
