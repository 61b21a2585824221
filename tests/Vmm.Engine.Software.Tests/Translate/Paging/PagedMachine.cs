using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Engine.Software.Tests.Segmentation;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Tests.Translate.Paging;

/// <summary>A machine with a paged program in one tier. WBINVD, which every handler begins with, shows the whole state.</summary>
internal sealed unsafe class PagedMachine : IProcessorEvents, IDisposable
{
    private static readonly HandlerTable Handlers = CreateHandlers();

    private readonly ProtectedMachine _machine;
    private readonly ProcessorEvents _events = new();
    private readonly GuestDeadline _deadline;

    public PagedMachine(int program, ExecutionTier tier, uint threshold = 1)
    {
        _machine = new ProtectedMachine(64, memory => new LogicalProcessor(memory, new FixedTime(), 0, Handlers, this, tier: tier, threshold: threshold));
        new PagedProgram(program).Load(_machine);
        _deadline = new GuestDeadline(() => Interlocked.Exchange(ref State->EventPending, 1));
    }

    public LogicalProcessor Processor => _machine.Processor;

    public CpuState* State => _machine.State;

    public bool IsHalted => State->Activity != (byte)ActivityState.Active;

    /// <summary>The state at each WBINVD so far.</summary>
    public List<PagedState> States { get; } = [];

    /// <summary>The state now.</summary>
    public PagedState Show() => new(State, _machine.Memory);

    /// <summary>Runs the program to its end.</summary>
    /// <exception cref="TimeoutException">It did not end in time.</exception>
    public PagedMachine Run()
    {
        Processor.Run();
        return _deadline.HasPassed ? throw Late() : this;
    }

    /// <summary>Runs the program to its end as a processor does that caches no translations.</summary>
    public PagedMachine RunWithoutCaches()
    {
        while (!IsHalted)
        {
            StepWithoutCaches();
        }

        return this;
    }

    /// <summary>As <see cref="Step"/>, with all translations walked for anew.</summary>
    public void StepWithoutCaches()
    {
        Processor.Mmu.FlushAll();
        Step();
    }

    /// <summary>Runs one block, or delivers the fault that it ended with.</summary>
    public void Step()
    {
        if (_deadline.HasPassed)
        {
            throw Late();
        }

        if (State->EventPending != 0 && !Interpreter.ProcessEvents(Processor))
        {
            return;
        }

        if (Processor.RunBlock() == Outcome.Fault)
        {
            DeliverFault(Processor);
        }
    }

    private static TimeoutException Late() => new("The program did not come to its end.");

    public bool Process(LogicalProcessor processor) => !_deadline.HasPassed && _events.Process(processor);

    public bool DeliverFault(LogicalProcessor processor) => _events.DeliverFault(processor);

    public void InstructionCompleted(LogicalProcessor processor, uint blockMode) => _events.InstructionCompleted(processor, blockMode);

    private static HandlerTable CreateHandlers()
    {
        HandlerTable table = new(InstructionSet.Handlers);
        table.Set(Code.Wbinvd, &Show);
        return table;
    }

    private static Outcome Show(CpuState* s, Instruction* i)
    {
        s->Rip = i->Rip;
        PagedMachine machine = (PagedMachine)LogicalProcessor.Of(s).Events;
        machine.States.Add(machine.Show());
        return Outcome.Next;
    }

    public void Dispose()
    {
        _deadline.Dispose();
        _machine.Dispose();
    }
}
