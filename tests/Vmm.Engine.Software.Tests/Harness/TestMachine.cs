using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Tests.Harness;

/// <summary>
/// A processor with memory and no VMX: code from Iced's assembler runs until HLT or a fault. In 64-bit mode the first
/// GiB is mapped to itself, for user and supervisor; 32-bit is flat protected mode, 16-bit real mode, both unpaged.
/// Code is translated when it runs first, unless another tier is asked for. Physical memory above <see cref="Memory"/> is a device that answers <see cref="DeviceValue"/>.
/// </summary>
internal sealed unsafe class TestMachine : IProcessorEvents, IMemoryExits, IDisposable
{
    /// <summary>Where code is put and starts.</summary>
    public const ulong CodeAddress = 0x1_0000;

    /// <summary>Initial RSP (SP in real mode, where SS is based so that it is the same place).</summary>
    public const ulong StackTop = 0x8000;

    /// <summary>Memory that nothing else uses, to <see cref="PageTables"/>.</summary>
    public const ulong DataAddress = 0x2_0000;

    /// <summary>PML4, then the page-directory-pointer table, then one page directory of 2-MiB pages.</summary>
    public const ulong PageTables = 0x10_0000;

    public TestMachine(
        int bitness = 64, int memorySize = 4 << 20, int romSize = 0, HandlerTable? handlers = null, ExecutionTier tier = ExecutionTier.Translator,
        bool countsBlocks = false)
    {
        _tier = tier;
        _countsBlocks = countsBlocks;
        Bitness = bitness;
        Memory = new FlatMemory(memorySize, romSize);
        HandlerTable table = new(handlers ?? InstructionSet.Handlers);
        table.Set(Code.Hlt, &Halt);
        HostMemory = new HostPhysicalMemory(Memory);
        Processor = AddProcessor(table);
    }

    private readonly ExecutionTier _tier;
    private readonly bool _countsBlocks;

    public int Bitness { get; }

    public FlatMemory Memory { get; }

    public FixedTime Time { get; } = new();

    public HostPhysicalMemory HostMemory { get; }

    public LogicalProcessor Processor { get; }

    public CpuState* State => Processor.State;

    /// <summary>What the device reads as.</summary>
    public ulong DeviceValue { get; set; } = 0x8877_6655_4433_2211;

    /// <summary>Accesses to the device, in order.</summary>
    public List<DeviceAccess> DeviceAccesses { get; } = [];

    /// <summary>The fault that ended the run, or null.</summary>
    public ExceptionVector? Fault { get; private set; }

    public uint FaultErrorCode => State->FaultErrorCode;

    /// <summary>Instructions reported as run in blocks of their own.</summary>
    public int SingleInstructions { get; private set; }

    /// <summary>Another processor on the same memory, in the same initial state. Disposed with its creator's machine only if the caller does so.</summary>
    public LogicalProcessor AddProcessor(HandlerTable? handlers = null, int index = 0)
    {
        HandlerTable? table = handlers;
        if (table == null)
        {
            table = new HandlerTable(InstructionSet.Handlers);
            table.Set(Code.Hlt, &Halt);
        }

        LogicalProcessor processor = new(HostMemory, Time, index, table, this, this, _tier, threshold: 1, _countsBlocks);
        InitialState.Set(processor, Bitness, Memory);
        return processor;
    }

    /// <summary>Assembles code, with HLT after it, at <see cref="CodeAddress"/>; RIP goes there.</summary>
    public void Load(Action<Assembler> code)
    {
        Assembler assembler = new(Bitness);
        code(assembler);
        assembler.hlt();
        using MemoryStream stream = new();
        assembler.Assemble(new StreamCodeWriter(stream), CodeOffset);
        Load(stream.ToArray());
    }

    /// <summary>Puts code at <see cref="CodeAddress"/>; RIP goes there.</summary>
    public void Load(ReadOnlySpan<byte> code)
    {
        Memory.Write(CodeAddress, code);
        State->Rip = CodeOffset;
    }

    /// <summary>RIP of the first instruction: CS is based at the code in real mode.</summary>
    public ulong CodeOffset => Bitness == 16 ? 0 : CodeAddress;

    /// <summary>Runs until HLT or a fault, for at most a minute of processor time.</summary>
    /// <exception cref="TimeoutException">Neither came.</exception>
    public TestMachine Run()
    {
        Fault = null;
        using GuestDeadline deadline = new(Stop);
        Processor.Run();
        return deadline.HasPassed ? throw new TimeoutException("The guest did not come to HLT or a fault.") : this;
    }

    private volatile bool _late;

    private void Stop()
    {
        _late = true;
        Interlocked.Exchange(ref State->EventPending, 1);
    }

    /// <summary><see cref="Load(Action{Assembler})"/>, then <see cref="Run()"/>.</summary>
    public TestMachine Run(Action<Assembler> code)
    {
        Load(code);
        return Run();
    }

    /// <summary>Runs one instruction.</summary>
    public Outcome Step()
    {
        Outcome outcome = Processor.Step();
        Fault = outcome == Outcome.Fault ? State->FaultVector : null;
        return outcome;
    }

    /// <summary>Times that the run loop looked up from its work.</summary>
    public int Looks { get; private set; }

    public bool Process(LogicalProcessor processor)
    {
        Looks++;
        return !_late;
    }


    public bool DeliverFault(LogicalProcessor processor)
    {
        Fault = processor.State->FaultVector;
        return false;
    }

    public void InstructionCompleted(LogicalProcessor processor, uint blockMode)
    {
        SingleInstructions++;
        if ((blockMode & BlockMode.Shadow) != 0)
        {
            processor.State->Interruptibility &= 0xFC;
            BlockMode.Update(processor.State);
        }
    }

    public Outcome DeviceRead(LogicalProcessor processor, ulong physical, ulong linear, int width, out ulong data)
    {
        data = DeviceValue;
        DeviceAccesses.Add(new DeviceAccess(false, physical, linear, width, data));
        return Outcome.Next;
    }

    public Outcome DeviceWrite(LogicalProcessor processor, ulong physical, ulong linear, int width, ulong data)
    {
        DeviceAccesses.Add(new DeviceAccess(true, physical, linear, width, data));
        return Outcome.Next;
    }

    /// <summary>Qualification of the EPT violation that ended the run.</summary>
    public ulong? EptQualification { get; private set; }

    public Outcome EptViolation(LogicalProcessor processor, ulong physical, ulong linear, ulong qualification)
    {
        EptQualification = qualification;
        return Outcome.Leave;
    }

    /// <summary>Whether an EPT misconfiguration ended the run.</summary>
    public bool EptMisconfigured { get; private set; }

    public Outcome EptMisconfiguration(LogicalProcessor processor, ulong physical)
    {
        EptMisconfigured = true;
        return Outcome.Leave;
    }

    private static Outcome Halt(CpuState* s, Instruction* i)
    {
        s->Rip = i->NextRip;
        return Outcome.Leave;
    }

    public void Dispose()
    {
        Processor.Dispose();
        Memory.Dispose();
    }
}
