using System.Text;

namespace Vmm.Kernel;

/// <summary>
/// A quiet VM as sections of state, and back. Restoring goes from the ground up: time, then devices, whose lines and
/// messages are held back because everybody saw them before the save, then wires and claims as they stood, and the
/// processors last.
/// </summary>
internal sealed class MachineState(VirtualMachine machine, AddressLine20 addressLine20, IReadOnlyList<StatePart> parts)
{
    private const int Version = 1;
    private const byte HasNoTarget = 0xFF;
    private const byte Asserted = 1, Exclusive = 2;
    private const int LongestName = 1024;

    /// <summary>Everything that stands in the way of a save, a line each.</summary>
    public IReadOnlyList<string> Obstacles => [.. parts.Select(part => part.Obstacle).OfType<string>()];

    public IReadOnlyList<StateSection> Save() =>
    [
        Section("machine", KernelSchemas.Machine, WriteMachine),
        Section("memory", KernelSchemas.Memory, WriteMemoryMap),
        .. machine.Memory.Shadow is { } shadow ? [Section("shadow", KernelSchemas.Shadow, shadow.Save)] : (StateSection[])[],
        Section("interrupts", KernelSchemas.Interrupts, WriteLines),
        Section("ports", KernelSchemas.Ports, machine.Ports.AllClaims.Save),
        Section("mmio", KernelSchemas.Mmio, machine.Mmio.AllClaims.Save),
        .. machine.Pci.Slots.Select(slot => Section($"pci/{slot.Address}", KernelSchemas.PciFunction, slot.Save)),
        .. parts.Where(part => part.IsSaved).Select(part => part.Save()),
        .. machine.Processors.Select(processor =>
            Section($"processor/{processor.Id.Index}", KernelSchemas.Processor, to => ProcessorStateStream.Write(to, processor.Save()))),
    ];

    /// <summary>What the sections lack and what this machine lacks, a line each; empty when they fit.</summary>
    public IReadOnlyList<string> Mismatches(IReadOnlyList<StateSection> sections)
    {
        Dictionary<string, StateSection> found = sections.ToDictionary(section => section.Path);
        List<string> problems = [];
        foreach (StatePart part in parts.Where(part => part.IsSaved))
        {
            problems.Add(found.Remove(part.Path, out StateSection? section) ? part.Mismatch(section) ?? "" : $"{part}: there is no state for it");
        }

        foreach ((string path, string schema) in OwnSections())
        {
            problems.Add(!found.Remove(path, out StateSection? section) ? $"{path}: there is no state for it"
                : section.Schema != schema || section.Version != Version ? $"{path}: the state is version {section.Version} of '{section.Schema}'; this vmm reads version {Version} of '{schema}'"
                : "");
        }

        problems.AddRange(found.Values.Select(section =>
            $"{section.Path}: this machine has nothing that the state of '{section.Schema}' (plugin {section.Plugin}, version {section.Version}) belongs to"));
        return problems.FindAll(problem => problem.Length != 0);
    }

    /// <summary>Puts the state into a machine that was attached and reset, and whose processors are powered on and parked.</summary>
    /// <exception cref="StateException">The state does not fit or is impossible; the machine is of no use any more.</exception>
    public void Restore(IReadOnlyList<StateSection> sections)
    {
        Dictionary<string, StateSection> found = sections.ToDictionary(section => section.Path);
        machine.Interrupts.Held = true;
        Read(found["machine"], ReadMachine);
        if (machine.Memory.Shadow is { } shadow)
        {
            // What shows is part of the memory map.
            Read(found["shadow"], shadow.Restore);
        }

        Read(found["memory"], CheckMemoryMap);
        foreach (PciSlot slot in machine.Pci.Slots)
        {
            Read(found[$"pci/{slot.Address}"], slot.Restore);
        }

        foreach (StatePart part in parts.Where(part => part.IsSaved))
        {
            part.Restore(found[part.Path]);
        }

        Read(found["ports"], machine.Ports.AllClaims.Restore);
        Read(found["mmio"], machine.Mmio.AllClaims.Restore);
        Read(found["interrupts"], ReadLines);
        foreach (VirtualProcessor processor in machine.Processors)
        {
            Read(found[$"processor/{processor.Id.Index}"], from => processor.Restore(ProcessorStateStream.Read(from)));
        }

        machine.Interrupts.Held = false;
        TellEnds();
    }

    // An engine's APIC may have noted the end of a level-triggered interrupt and not told of it yet when the VM was saved.
    // Controllers that wait for an end of a vector that no processor has would wait for ever; others ignore it. A guest that
    // tells its I/O APICs itself (bit 12 of the spurious-vector register) may be between the two ends.
    private void TellEnds()
    {
        const int FirstVector = 16;
        if (machine.Processors.Any(processor => !processor.Apic.BroadcastsEnds))
        {
            return;
        }

        for (int vector = FirstVector; vector < 256; vector++)
        {
            if (!machine.Processors.Any(processor => processor.Apic.Has(vector)))
            {
                machine.Interrupts.EndOfInterrupt((byte)vector);
            }
        }
    }

    private IEnumerable<(string Path, string Schema)> OwnSections() =>
    [
        ("machine", KernelSchemas.Machine), ("memory", KernelSchemas.Memory), ("interrupts", KernelSchemas.Interrupts), ("ports", KernelSchemas.Ports), ("mmio", KernelSchemas.Mmio),
        .. machine.Memory.Shadow is null ? [] : ((string, string)[])[("shadow", KernelSchemas.Shadow)],
        .. machine.Pci.Slots.Select(slot => ($"pci/{slot.Address}", KernelSchemas.PciFunction)),
        .. machine.Processors.Select(processor => ($"processor/{processor.Id.Index}", KernelSchemas.Processor)),
    ];

    private static StateSection Section(string path, string schema, Action<IStateWriter> write)
    {
        var writer = new StateWriter();
        write(writer);
        return new StateSection(path, schema, KernelSchemas.Plugin, Version, writer.ToArray());
    }

    private static void Read(StateSection section, Action<StateReader> read)
    {
        var reader = new StateReader(section.Content, section.Version, section.Path);
        try
        {
            read(reader);
        }
        catch (StateException e)
        {
            throw new StateException($"{section.Path}: {e.Message}");
        }

        reader.RequireAllRead();
    }

    private void WriteMachine(IStateWriter to)
    {
        to.UInt64((int)MachineField.VirtualTime, (ulong)machine.Clock.NowNanoseconds);
        to.UInt64((int)MachineField.WallClock, (ulong)machine.Clock.WallClockNanoseconds);
        to.UInt64((int)MachineField.TimestampFrequency, machine.Clock.Frequency);
        to.UInt8((int)MachineField.ProcessorCount, (byte)machine.Processors.Count);
        to.UInt8((int)MachineField.AddressLine20, (byte)(addressLine20.Enabled ? 1 : 0));
        to.UInt8((int)MachineField.ExternalInterruptTarget, (byte)(machine.ApicBus.ExternalInterruptTarget?.Id ?? HasNoTarget));
        to.UInt32((int)MachineField.NextLowestPriority, (uint)machine.ApicBus.NextLowestPriority);
    }

    private void ReadMachine(StateReader from)
    {
        ulong frequency = from.UInt64((int)MachineField.TimestampFrequency);
        long now = (long)from.UInt64((int)MachineField.VirtualTime), wallClock = (long)from.UInt64((int)MachineField.WallClock);
        byte target = from.UInt8((int)MachineField.ExternalInterruptTarget, HasNoTarget);
        if (frequency != machine.Clock.Frequency || from.UInt8((int)MachineField.ProcessorCount) != machine.Processors.Count)
        {
            throw new StateException($"it has another number of processors, or a time-stamp counter of {frequency:N0} Hz where this one has {machine.Clock.Frequency:N0} Hz.");
        }

        if (now is < 0 or > long.MaxValue / 4 || wallClock is < 0 or > long.MaxValue / 2 || (target != HasNoTarget && target >= machine.Processors.Count))
        {
            throw new StateException($"a virtual time of {now} ns, a wall clock of {wallClock} ns or processor {target} is impossible.");
        }

        machine.Clock.Restore(now, wallClock);
        addressLine20.Enabled = from.UInt8((int)MachineField.AddressLine20, 1) != 0;
        machine.ApicBus.ExternalInterruptTarget = target == HasNoTarget ? null : machine.Processors[target].Apic;
        machine.ApicBus.NextLowestPriority = (int)from.UInt32((int)MachineField.NextLowestPriority);
    }

    private void WriteMemoryMap(IStateWriter to)
    {
        int number = 0;
        foreach (GuestMemoryRegion region in machine.Memory.Map)
        {
            to.Section(++number, section =>
            {
                section.Bytes((int)MemoryRegionField.Name, Encoding.UTF8.GetBytes(region.Name));
                section.UInt8((int)MemoryRegionField.Kind, (byte)region.Kind);
                section.UInt64((int)MemoryRegionField.Address, region.Address);
                section.UInt64((int)MemoryRegionField.Length, region.Length);
                section.UInt64((int)MemoryRegionField.Target, region.TargetAddress);
            });
        }
    }

    private void CheckMemoryMap(StateReader from)
    {
        IReadOnlyList<GuestMemoryRegion> map = machine.Memory.Map;
        for (int number = 1; number <= map.Count; number++)
        {
            GuestMemoryRegion region = map[number - 1];
            StateReader section = from.Section(number) ?? throw new StateException($"memory region '{region.Name}' is missing.");
            _ = section.Bytes((int)MemoryRegionField.Name, LongestName);
            if (section.UInt8((int)MemoryRegionField.Kind) != (byte)region.Kind || section.UInt64((int)MemoryRegionField.Address) != region.Address
                || section.UInt64((int)MemoryRegionField.Length) != region.Length || section.UInt64((int)MemoryRegionField.Target) != region.TargetAddress)
            {
                throw new StateException($"memory region '{region.Name}' at 0x{region.Address:x} is another one in the saved machine.");
            }

            section.RequireAllRead();
        }
    }

    private void WriteLines(IStateWriter to)
    {
        foreach ((int number, SharedLine line) in machine.Interrupts.Lines)
        {
            IReadOnlyList<LineSource> sources = line.Save();
            if (sources.Count != 0)
            {
                to.Section(number + 1, section => WriteSources(section, sources));
            }
        }
    }

    private static void WriteSources(IStateWriter to, IReadOnlyList<LineSource> sources)
    {
        for (int i = 0; i < sources.Count; i++)
        {
            LineSource source = sources[i];
            to.Section(i + 1, section =>
            {
                section.Bytes((int)LineSourceField.Name, Encoding.UTF8.GetBytes(source.Name));
                section.UInt8((int)LineSourceField.Flags, (byte)((source.Asserted ? Asserted : 0) | (source.Exclusive ? Exclusive : 0)));
            });
        }
    }

    private void ReadLines(StateReader from)
    {
        foreach ((int number, SharedLine line) in machine.Interrupts.Lines)
        {
            List<LineSource> sources = [];
            if (from.Section(number + 1) is { } section)
            {
                for (int i = 1; section.Section(i) is { } source; i++)
                {
                    string name = Encoding.UTF8.GetString(source.Bytes((int)LineSourceField.Name, LongestName).Span);
                    byte flags = source.UInt8((int)LineSourceField.Flags);
                    source.RequireAllRead();
                    sources.Add(new LineSource(name, (flags & Asserted) != 0, (flags & Exclusive) != 0));
                }

                section.RequireAllRead();
            }

            line.Restore(sources);
        }
    }
}
