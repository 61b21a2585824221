namespace Vmm.Kernel;

// The processors of the VM and the tables that they share. The tables are built once, at the start, and then only read.
public sealed partial class VirtualMachine
{
    private readonly Lock _memoryMapChange = new();
    private readonly RateLimitedLog _guestLog;
    private readonly RateLimitedLog _msrLog;
    private ExtendedPageTables _pageTables = null!;
    private MemoryMapReference _memoryMap = new(default, 0);

    internal IReadOnlyList<VirtualProcessor> Processors => _processors;

    internal ApicBus ApicBus { get; }

    /// <summary>Who models the local APICs.</summary>
    internal ILocalApicProvider Apics { get; }

    internal ExitDispatch Dispatch { get; private set; } = null!;

    internal TimestampHandlers TimestampHandlers { get; private set; } = null!;

    internal CpuidTable Cpuid { get; private set; } = null!;

    internal MsrHandlerTable MsrHandlers { get; private set; } = null!;

    internal HypercallTable Hypercalls { get; private set; } = null!;

    internal MsrBitmap MsrBitmap { get; private set; } = null!;

    /// <summary>The EPT tables in force and their number.</summary>
    internal (EptPointer Pointer, long Generation) MemoryMap
    {
        get
        {
            MemoryMapReference map = Volatile.Read(ref _memoryMap);
            return (map.Pointer, map.Generation);
        }
    }

    internal long MemoryMapGeneration => Volatile.Read(ref _memoryMap).Generation;

    /// <summary>Tells the person who runs the VM what the guest does, not too often.</summary>
    internal void Note(string message)
    {
        if (_guestLog.Admit())
        {
            _guestLog.Write(DeviceLogLevel.Debug, message);
        }
    }

    /// <summary>Notes a refused access to a model-specific register.</summary>
    internal void NoteRefusedMsr(string access)
    {
        if (_msrLog.Admit())
        {
            _msrLog.Write(DeviceLogLevel.Debug, $"{access}: there is no such register, or not for this value; the guest gets a general-protection exception.");
        }
    }

    // An engine's APIC waits in HLT itself, on the thread that runs the processor, where no scheduler sees it. That is well
    // while each processor has a thread; where they share threads the scheduler needs the exit.
    private IVmxMachine CreateMachine(IVmxEngine engine, CpuPool pool) =>
        engine is ILocalApicEngine { OffersLocalApics: true } modeller && pool.HasThreadsFor(Options.ProcessorCount)
            ? modeller.CreateMachineWithLocalApics(Memory, Clock)
            : engine.CreateMachine(Memory, Clock);

    private void BuildProcessors()
    {
        Engine.Capabilities.Msrs.TryGetValue(Msr.Ia32VmxEptVpidCap, out ulong eptCapabilities);
        _pageTables = new ExtendedPageTables(_machine, Memory, (EptVpidCapabilities)eptCapabilities);
        _processors = [.. Enumerable.Range(0, Options.ProcessorCount).Select(i => new VirtualProcessor(this, _machine, i))];
        foreach (VirtualProcessor processor in _processors)
        {
            processor.Member = _pool.Add(processor, Options.Weight);
        }

        Interrupts.Deliver = Apics.Deliver;
        Interrupts.ExternalInterruptChanged += () => _processors[0].Apic.SetPin(ApicRegister.LvtLint0, Interrupts.ExternalInterrupt.Asserted);
        Interrupts.NonMaskableInterruptRaised += () => Array.ForEach(_processors, p => p.Apic.SetPin(ApicRegister.LvtLint1, asserted: true));
        Memory.Changed += MemoryMapChanged;
        MemoryMapChanged();
    }

    private void BuildTables()
    {
        MsrHandlers = new MsrHandlerTable(Exits);
        Hypercalls = new HypercallTable(Exits);
        ResourceConflict[] conflicts = [.. MsrHandlers.Conflicts, .. Hypercalls.Conflicts];
        if (conflicts.Length > 0)
        {
            throw new ResourceConflictException(conflicts);
        }

        Cpuid = new CpuidTable(Engine.Capabilities, Options.ProcessorCount, Exits, Apics.Engine?.HasTimestampDeadline);
        Dispatch = new ExitDispatch(Exits);
        TimestampHandlers = new TimestampHandlers(Exits);
        MsrBitmap = new MsrBitmap(_machine.AllocatePage());
        if (Apics.Engine is not null)
        {
            MsrBitmap.PassApic();
        }

        foreach (MsrRange range in MsrHandlers.Ranges)
        {
            for (ulong msr = range.First; msr <= range.Last; msr++)
            {
                MsrBitmap.Intercept((uint)msr);
            }
        }
    }

    private void MemoryMapChanged()
    {
        lock (_memoryMapChange)
        {
            _pageTables.Rebuild(_addressLine20.Enabled, _processors.Min(p => p.MemoryMapGeneration));
            Volatile.Write(ref _memoryMap, new MemoryMapReference(_pageTables.Pointer, _pageTables.Generation));
        }

        foreach (VirtualProcessor processor in _processors)
        {
            processor.SignalMemoryMap();
        }
    }

    private VirtualMachineStatistics CollectStatistics()
    {
        ExitStatistic[] exits =
        [
            .. from statistic in _processors.SelectMany(p => p.Counters.Read())
               group statistic by statistic.Reason into reason
               let count = reason.Sum(s => s.Count)
               orderby count descending
               select new ExitStatistic(reason.Key, count, TimeSpan.FromTicks(reason.Sum(s => s.Time.Ticks))),
        ];
        return new VirtualMachineStatistics(
            exits, _machine.Counters, Ports.Unanswered, Mmio.Unanswered, TimeSpan.FromTicks(Clock.NowNanoseconds / 100));
    }

    private sealed record MemoryMapReference(EptPointer Pointer, long Generation);
}
