using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software;

/// <summary>One logical processor of the software engine: its state and the units that work on it.</summary>
internal sealed unsafe partial class LogicalProcessor : IDisposable
{
    private readonly CpuState* _state;
    private GCHandle _self;

    public LogicalProcessor(HostPhysicalMemory memory, ITimeSource time, int index)
    {
        _state = (CpuState*)NativeMemory.AlignedAlloc((nuint)sizeof(CpuState), 64);
        NativeMemory.Clear(_state, (nuint)sizeof(CpuState));
        _self = GCHandle.Alloc(this);
        _state->Owner = GCHandle.ToIntPtr(_self);
        Memory = memory;
        Time = time;
        Index = index;
        NonRoot = new NonRoot(this);
        Mmu = new Mmu(_state);
    }

    public CpuState* State => _state;

    /// <summary>Number of the virtual processor; its initial APIC id.</summary>
    public int Index { get; }

    /// <summary>Host-physical memory: guest RAM and the pages of VMCS structures.</summary>
    public HostPhysicalMemory Memory { get; }

    public ITimeSource Time { get; }

    public Mmu Mmu { get; }

    /// <summary>VMX non-root operation: what the current VMCS makes the processor do differently.</summary>
    public NonRoot NonRoot { get; }

    /// <summary>The processor that a state block belongs to: the way from handlers back to managed objects.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LogicalProcessor Of(CpuState* s) => Unsafe.As<LogicalProcessor>(GCHandle.FromIntPtr(s->Owner).Target!);

    public void Dispose()
    {
        if (_self.IsAllocated)
        {
            _self.Free();
            NativeMemory.AlignedFree(_state);
        }
    }
}
