using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Differential.Native;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>Runs cases in one tier of the engine, at CPL 3, with the same pages at the same addresses as the native process.</summary>
internal sealed unsafe class EngineProcessor : IProcessorEvents, IMemoryExits, IDisposable
{
    private const int CodePage = 0x1_0000;
    private const int DataPages = 0x2_0000;
    private const ulong PageTables = 0x10_0000;

    private readonly FlatMemory _memory = new(2 << 20);
    private readonly HostPhysicalMemory _hostMemory;
    private readonly LogicalProcessor _processor;
    private ulong _cs;

    public EngineProcessor(ExecutionTier tier)
    {
        Tier = tier;
        _hostMemory = new HostPhysicalMemory(_memory);
        HandlerTable handlers = new(InstructionSet.Handlers);
        handlers.Set(Code.Int3, &Stop);
        _processor = new LogicalProcessor(_hostMemory, new FixedTime(), 0, handlers, this, this, tier);
        MapPages();
        CpuState* s = _processor.State;
        s->Cr0 = (ulong)(Cr0Bits.Pe | Cr0Bits.Mp | Cr0Bits.Et | Cr0Bits.Ne | Cr0Bits.Wp | Cr0Bits.Am | Cr0Bits.Pg);
        s->Cr4 = (ulong)(Cr4Bits.Pae | Cr4Bits.Osfxsr | Cr4Bits.Osxmmexcpt | Cr4Bits.Osxsave | Cr4Bits.Fsgsbase);
        s->Cr3 = PageTables;
        s->Efer = (ulong)(EferBits.Lme | EferBits.Lma | EferBits.Nxe | EferBits.Sce);
        s->Xcr0 = HostProcessor.HasAvx ? 7UL : 3;
        s->Dr[6] = 0xFFFF_0FF0;
        s->Dr[7] = 0x400;
        s->Pat = 0x0007_0406_0007_0406;
        s->Cpl = 3;
        s->Ldtr.AccessRights = 0x1_0000;
        s->Tr = new SegmentCache { Limit = 0x67, AccessRights = 0x8B, Selector = 0x40 };
    }

    /// <summary>Where the code runs: interpreted, or translated at its first run.</summary>
    public ExecutionTier Tier { get; }

    /// <summary>The two pages of data after a case.</summary>
    public ReadOnlySpan<byte> Memory => _memory.Bytes.Slice(DataPages, CaseLayout.DataSize);

    /// <summary>Runs the first instruction of a case.</summary>
    public void Run(CaseSlot* slot, ProcessorImage* result)
    {
        if (Tier == ExecutionTier.Translator)
        {
            RunBlocks(slot, result);
            return;
        }

        Load(slot);
        Save(result, Step(slot->Input.Rip));
    }

    /// <summary>Runs a case block by block until it comes to an INT3 or faults.</summary>
    public void RunBlocks(CaseSlot* slot, ProcessorImage* result)
    {
        Load(slot);
        Outcome outcome;
        do
        {
            outcome = _processor.RunBlock();
        }
        while (outcome == Outcome.Branch);
        Save(result, outcome == Outcome.Leave ? Outcome.Branch : outcome);
    }

    private static Outcome Stop(CpuState* s, Instruction* i)
    {
        s->Rip = i->Rip;
        return Outcome.Leave;
    }

    private void Load(CaseSlot* slot)
    {
        new ReadOnlySpan<byte>(slot->Memory, CaseLayout.DataSize).CopyTo(_memory.Bytes[DataPages..]);
        Span<byte> code = _memory.Bytes.Slice(CodePage, CaseLayout.PageSize);
        code.Fill(0xCC);
        new ReadOnlySpan<byte>(slot->Input.Code, (int)slot->Input.CodeLength).CopyTo(code[(int)(slot->Input.CodeAddress - CaseLayout.Code)..]);
        _hostMemory.AddressSpace.NoteWrite(CodePage, CaseLayout.PageSize);
        Load(&slot->Input);
    }

    // A long repetition gives way to interrupts now and then, to go on where it was.
    private Outcome Step(ulong rip)
    {
        Outcome outcome;
        do
        {
            outcome = _processor.Step();
        }
        while (outcome == Outcome.Branch && _processor.State->Rip == rip);
        return outcome;
    }

    public bool Process(LogicalProcessor processor) => true;

    public bool DeliverFault(LogicalProcessor processor) => false;

    public void InstructionCompleted(LogicalProcessor processor, uint blockMode)
    {
    }

    public Outcome DeviceRead(LogicalProcessor processor, ulong physical, ulong linear, int width, out ulong data)
    {
        data = 0;
        return Outcome.Leave;
    }

    public Outcome DeviceWrite(LogicalProcessor processor, ulong physical, ulong linear, int width, ulong data) => Outcome.Leave;

    public Outcome EptViolation(LogicalProcessor processor, ulong physical, ulong linear, ulong qualification) => Outcome.Leave;

    public Outcome EptMisconfiguration(LogicalProcessor processor, ulong physical) => Outcome.Leave;

    public void Dispose()
    {
        _processor.Dispose();
        _hostMemory.AddressSpace.Dispose();
        _memory.Dispose();
    }

    // PML4, page-directory-pointer table, page directory, then a page table for code and one for data. Present, writable,
    // user: 7; not writable: 5.
    private void MapPages()
    {
        Span<ulong> tables = MemoryMarshal.Cast<byte, ulong>(_memory.Bytes[(int)PageTables..]);
        tables[0] = PageTables + 0x1007;
        tables[512] = PageTables + 0x2007;
        tables[1024 + (int)(CaseLayout.Code >> 21)] = PageTables + 0x3007;
        tables[1024 + (int)(CaseLayout.Data >> 21)] = PageTables + 0x4007;
        tables[1536] = CodePage | 7;
        tables[2048] = DataPages | 7;
        tables[2049] = (DataPages + CaseLayout.PageSize) | 7;
        tables[2050] = (DataPages + CaseLayout.DataSize) | 5;
    }

    private void Load(ProcessorImage* image)
    {
        CpuState* s = _processor.State;
        for (int n = 0; n < 16; n++)
        {
            ((ulong*)s)[n] = image->Gpr[n];
        }

        s->Rip = image->Rip;
        ArithmeticFlags.WriteRflags(s, image->Rflags);
        s->Interruptibility = 0;
        s->EventPending = 0;
        LoadSegments(s, image);
        FxImage.Load(s, image->Fx, image->UpperHalves);
        if (_cs != image->Cs)
        {
            _cs = image->Cs;
            _processor.StateLoaded();
        }
        else
        {
            BlockMode.Update(s);
            _processor.Mmu.UpdatePrivilege();
        }
    }

    private static void LoadSegments(CpuState* s, ProcessorImage* image)
    {
        s->Cs = SegmentTable.Describe((ushort)image->Cs);
        s->Ss = SegmentTable.Describe((ushort)image->Ss);
        s->Ds = SegmentTable.Describe(image->Ds);
        s->Es = SegmentTable.Describe(image->Es);
        s->Fs = SegmentTable.Describe(image->Fs) with { Base = image->FsBase };
        s->Gs = SegmentTable.Describe(image->Gs) with { Base = image->GsBase };
        SegmentCache* segments = &s->Es;
        for (int n = 0; n < 6; n++)
        {
            s->SegmentBase[n] = segments[n].Base;
        }
    }

    private void Save(ProcessorImage* image, Outcome outcome)
    {
        CpuState* s = _processor.State;
        *image = default;
        for (int n = 0; n < 16; n++)
        {
            image->Gpr[n] = ((ulong*)s)[n];
        }

        image->Rip = s->Rip;
        image->Rflags = ArithmeticFlags.ReadRflags(s);
        image->Cs = s->Cs.Selector;
        image->Ss = s->Ss.Selector;
        image->Ds = s->Ds.Selector;
        image->Es = s->Es.Selector;
        image->Fs = s->Fs.Selector;
        image->Gs = s->Gs.Selector;
        image->FsBase = s->Fs.Base;
        image->GsBase = s->Gs.Base;
        FxImage.Save(s, image->Fx, image->UpperHalves);
        switch (outcome)
        {
            case Outcome.Fault:
                image->Vector = (ulong)s->FaultVector;
                image->ErrorCode = s->FaultErrorCode;
                image->Cr2 = s->FaultAddress;
                break;
            case Outcome.Branch or Outcome.Next:
                image->Vector = CaseResult.Breakpoint;
                break;
            default:
                image->Vector = CaseResult.Unexpected + (ulong)outcome;
                break;
        }
    }
}
