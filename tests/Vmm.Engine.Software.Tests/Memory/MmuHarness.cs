using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Memory;

/// <summary>Accesses as instructions make them, and what faults look like.</summary>
internal static unsafe class MmuHarness
{
    /// <summary>An address that the initial page tables do not map.</summary>
    public const ulong Unmapped = 0x4000_0000;

    public static T Load<T>(this TestMachine machine, ulong linear) where T : unmanaged
    {
        Assert.True(LinearMemory.Load(machine.State, linear, out T value));
        return value;
    }

    public static void Store<T>(this TestMachine machine, ulong linear, T value) where T : unmanaged =>
        Assert.True(LinearMemory.Store(machine.State, linear, value));

    public static void LoadFaults(this TestMachine machine, ulong linear, ExceptionVector vector, uint code)
    {
        Assert.False(LinearMemory.Load(machine.State, linear, out uint _));
        machine.AssertFault(linear, vector, code);
    }

    public static void StoreFaults(this TestMachine machine, ulong linear, ExceptionVector vector, uint code)
    {
        Assert.False(LinearMemory.Store(machine.State, linear, 0x1234_5678));
        machine.AssertFault(linear, vector, code);
    }

    public static void FetchFaults(this TestMachine machine, ulong linear, uint code)
    {
        Assert.False(machine.Processor.Mmu.TranslateFetch(linear, out _));
        machine.AssertFault(linear, ExceptionVector.PageFault, code);
    }

    private static void AssertFault(this TestMachine machine, ulong linear, ExceptionVector vector, uint code)
    {
        Assert.Equal(Outcome.Fault, SlowAccess.Failure(machine.State));
        Assert.Equal(vector, machine.State->FaultVector);
        Assert.Equal(code, machine.State->FaultErrorCode);
        if (vector == ExceptionVector.PageFault)
        {
            Assert.Equal(linear, machine.State->FaultAddress);
        }
    }

    public static void SetCpl(this TestMachine machine, byte level)
    {
        machine.State->Cpl = level;
        BlockMode.Update(machine.State);
        machine.Processor.Mmu.UpdatePrivilege();
    }
}
