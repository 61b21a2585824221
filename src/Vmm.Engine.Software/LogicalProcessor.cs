using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Translate;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software;

/// <summary>One logical processor of the software engine: its state and the units that work on it.</summary>
internal sealed unsafe partial class LogicalProcessor : IDisposable
{
    private readonly CpuState* _state;
    private readonly ConcurrentQueue<(ProcessorRequest Request, ulong Place, int Length)> _requests = new();
    private GCHandle _self;
    private Lockstep? _lockstep;

    /// <summary>
    /// Makes a processor with a zeroed state. Event delivery, exits and handlers are the architectural ones unless a test
    /// puts others in their places.
    /// </summary>
    public LogicalProcessor(
        HostPhysicalMemory memory,
        ITimeSource time,
        int index,
        HandlerTable? handlers = null,
        IProcessorEvents? events = null,
        IMemoryExits? exits = null,
        ExecutionTier tier = ExecutionTier.Interpreter,
        uint threshold = 16,
        bool countsBlocks = false)
    {
        _state = (CpuState*)NativeMemory.AlignedAlloc((nuint)sizeof(CpuState), 64);
        NativeMemory.Clear(_state, (nuint)sizeof(CpuState));
        _self = GCHandle.Alloc(this);
        _state->Owner = GCHandle.ToIntPtr(_self);
        Phases = new PhaseClock(_state);
        Memory = memory;
        Time = time;
        Index = index;
        CodeMask = 1u << Math.Min(index, 31);
        NonRoot = new NonRoot(this);
        _operation = new VmxOperation(memory.VmcsRegions, HostPhysicalMemory.AddressBits, this);
        Events = events ?? new ProcessorEvents();
        Mmu = new Mmu(_state, memory.AddressSpace, exits ?? NonRoot);
        handlers ??= InstructionSet.Handlers;
        Translator = tier != ExecutionTier.Interpreter && CodeMemory.IsSupported ? new Translator(_state, handlers, isolated: tier == ExecutionTier.Lockstep, countsBlocks) { Threshold = threshold } : null;
        Blocks = new BlockCache(_state, Mmu, memory.AddressSpace, handlers) { Translator = Translator };
        Mmu.Jumps = Blocks.Jumps;
        memory.AddressSpace.Attach(this);
    }

    public CpuState* State => _state;

    /// <summary>Number of the virtual processor; its initial APIC id.</summary>
    public int Index { get; }

    /// <summary>Host-place memory: guest RAM and the pages of VMCS structures.</summary>
    public HostPhysicalMemory Memory { get; }

    public ITimeSource Time { get; }

    public Mmu Mmu { get; }

    /// <summary>VMX non-root operation: what the current VMCS makes the processor do differently.</summary>
    public NonRoot NonRoot { get; }

    public BlockCache Blocks { get; }

    /// <summary>Makes and runs translations of hot blocks; null: all are interpreted.</summary>
    public Translator? Translator { get; }

    /// <summary>How long the processor was at what.</summary>
    public PhaseClock Phases { get; }

    /// <summary>What the run loop calls between instructions.</summary>
    public IProcessorEvents Events { get; }

    /// <summary>This processor's bit in the masks of who has decoded code of a page.</summary>
    public uint CodeMask { get; }

    /// <summary>The bit that all processors from number 31 on share, and that therefore stays set.</summary>
    public const uint SharedCodeMask = 1u << 31;

    /// <summary>The processor that a state block belongs to: the way from handlers back to managed objects.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LogicalProcessor Of(CpuState* s) => Unsafe.As<LogicalProcessor>(GCHandle.FromIntPtr(s->Owner).Target!);

    /// <summary>Brings everything derived from the state up to date after it was set from outside.</summary>
    public void StateLoaded()
    {
        SegmentCache* segments = &_state->Es;
        for (int n = 0; n < 6; n++)
        {
            _state->SegmentBase[n] = segments[n].Base;
        }

        BlockMode.Update(_state);
        Mmu.LoadAddressSpace(keep: false);
        Mmu.FlushAll();
    }

    /// <summary>Runs the processor until it leaves the guest.</summary>
    public void Run()
    {
        Resume();
        try
        {
            RunInTier();
        }
        finally
        {
            _state->Phase = (int)ProcessorPhase.Outside;
        }
    }

    /// <summary>There is work again: for <see cref="Phases"/>.</summary>
    public void Resume()
    {
        _state->Phase = (int)ProcessorPhase.Interpreting;
        Phases.Wake();
    }

    private void RunInTier()
    {
        if (Translator is { } translator)
        {
            if (translator.IsIsolated)
            {
                (_lockstep ??= new Lockstep(this, translator)).Run();
            }
            else
            {
                TieredExecution.Run(this, translator);
            }
        }
        else
        {
            Interpreter.Run(this);
        }
    }

    /// <summary>Runs one instruction from the current state. A fault is left in the state and not delivered.</summary>
    public Outcome Step() => Interpreter.Step(this, BlockMode.Isolated);

    /// <summary>Runs one block, at most, from the current state. A fault is left in the state and not delivered.</summary>
    public Outcome RunBlock() => Translator is { } translator ? TieredExecution.Step(this, translator) : Interpreter.Step(this, 0);

    /// <summary>Asks for something to be done before the next block. Callable from any thread.</summary>
    public void Post(ProcessorRequest request, ulong place, int length)
    {
        _requests.Enqueue((request, place, length));
        Interlocked.Exchange(ref _state->EventPending, 1);
    }

    /// <summary>Does what was asked for; on this processor's thread, between blocks.</summary>
    public void ProcessRequests()
    {
        while (_requests.TryDequeue(out (ProcessorRequest Request, ulong Place, int Length) item))
        {
            switch (item.Request)
            {
                case ProcessorRequest.RevokeWrites:
                    if (Mmu.RevokeWrites(item.Place))
                    {
                        Memory.AddressSpace.CodeWritten(this, item.Place & Tlb.PageMask, item.Length);
                    }

                    break;
                case ProcessorRequest.InvalidateCode:
                    InvalidateCode(item.Place, item.Length);
                    break;
                case ProcessorRequest.InvalidateMappings:
                    Mmu.InvalidateMappings();
                    break;
                case ProcessorRequest.RestartGenerations:
                    Blocks.Clear();
                    Mmu.RestartGenerations();
                    break;
            }
        }
    }

    /// <summary>Drops decoded code of a range within one page; on this processor's thread.</summary>
    public void InvalidateCode(ulong place, int length)
    {
        if (Blocks.Invalidate(place, length))
        {
            Memory.AddressSpace.UnmarkCode(_state, place);
        }
    }

    public void Dispose()
    {
        if (_self.IsAllocated)
        {
            NonRoot.Close();
            Phases.Dispose();
            Memory.AddressSpace.Detach(this);
            Blocks.Dispose();
            Translator?.Dispose();
            Mmu.Dispose();
            _self.Free();
            NativeMemory.AlignedFree(_state);
        }
    }
}
