using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Sdk;
using Vmm.Vmx;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>What a test does at an exit.</summary>
internal delegate VmExitAction ExitResponse(VmxMachine machine, ref VmExit exit);

/// <summary>
/// A guest in VMX non-root operation through the public contract: EPT maps the first GiB to itself, of which only
/// <see cref="MemorySize"/> is memory. Code runs until HLT, which leaves.
/// </summary>
internal sealed class VmxMachine : IVmExitSink, IDisposable
{
    public const ulong VmxonRegion = 0x1000;
    public const ulong VmcsRegion = 0x2000;
    public const int MemorySize = 4 << 20;
    public const ulong Code = 0x1_0000;
    public const ulong Handler = 0x1_8000;
    public const ulong Data = 0x2_0000;
    public const ulong Idt = 0x3_0000;
    public const ulong Gdt = 0x3_2000;
    public const ulong Tss = 0x3_3000;
    private const ulong PageTables = 0x10_0000;

    private readonly int _bitness;
    private readonly IVmxMachine _machine;
    private Memory<byte> _eptDirectory;

    public VmxMachine(int bitness = 64)
    {
        _bitness = bitness;
        var engine = new SoftwareEngine();
        Capabilities = engine.Capabilities;
        _machine = engine.CreateMachine(Memory, Time);
        Processor = _machine.CreateProcessor(0);
    }

    public VmxCapabilities Capabilities { get; }

    public FlatMemory Memory { get; } = new(MemorySize);

    public FixedTime Time { get; } = new();

    public ILogicalProcessor Processor { get; }

    public List<VmExit> Exits { get; } = [];

    /// <summary>What happens at exits; without one every exit leaves.</summary>
    public ExitResponse? Respond { get; set; }

    public VmExit Last => Exits[^1];

    public ulong this[VmcsField field]
    {
        get
        {
            Assert.True(Processor.VmRead(field, out ulong value).IsSuccess);
            return value;
        }

        set => Assert.Equal(VmxResult.Succeed, Processor.VmWrite(field, value));
    }

    /// <summary>EPT entries of the first GiB, by 2-MiB page.</summary>
    public Span<ulong> EptDirectory => MemoryMarshal.Cast<byte, ulong>(_eptDirectory.Span);

    public IEnumerable<ExitReason> Reasons => Exits.Select(exit => exit.Reason);

    public HostPage AllocatePage() => _machine.AllocatePage();

    /// <summary>Enters VMX operation with a VMCS that passes all checks.</summary>
    public VmxMachine Start()
    {
        Assert.True(Processor.VmxOn(VmxonRegion).IsSuccess);
        Assert.True(Processor.VmClear(VmcsRegion).IsSuccess);
        Assert.True(Processor.VmPtrLd(VmcsRegion).IsSuccess);
        WriteControls();
        WriteHost();
        Processor.LoadState(GuestState());
        Fill(Handler, a => a.hlt());
        return this;
    }

    public void Set(PrimaryProcessorBasedControls control) => this[VmcsField.PrimaryProcessorBasedControls] |= (ulong)control;

    public void Clear(PrimaryProcessorBasedControls control) => this[VmcsField.PrimaryProcessorBasedControls] &= ~(ulong)control;

    public void Set(SecondaryProcessorBasedControls control) => this[VmcsField.SecondaryProcessorBasedControls] |= (ulong)control;

    public void Clear(SecondaryProcessorBasedControls control) => this[VmcsField.SecondaryProcessorBasedControls] &= ~(ulong)control;

    public void Set(PinBasedControls control) => this[VmcsField.PinBasedControls] |= (ulong)control;

    public void Clear(PinBasedControls control) => this[VmcsField.PinBasedControls] &= ~(ulong)control;

    public void Set(VmExitControls control, bool value = true) => Set(VmcsField.VmExitControls, (ulong)control, value);

    public void Set(VmEntryControls control, bool value = true) => Set(VmcsField.VmEntryControls, (ulong)control, value);

    private void Set(VmcsField field, ulong bits, bool value) => this[field] = value ? this[field] | bits : this[field] & ~bits;

    /// <summary>Assembles code at an address.</summary>
    public void Fill(ulong address, Action<Assembler> code)
    {
        Assembler assembler = new(_bitness);
        code(assembler);
        using MemoryStream stream = new();
        assembler.Assemble(new StreamCodeWriter(stream), _bitness == 16 ? 0 : address);
        Memory.Write(address, stream.ToArray());
    }

    /// <summary>Code and HLT at the guest's RIP, then VMLAUNCH.</summary>
    public VmxResult Launch(Action<Assembler> code)
    {
        Fill(Code, a =>
        {
            code(a);
            a.hlt();
        });
        return Processor.VmLaunch(this);
    }

    /// <summary>Code and HLT at the guest's first RIP, then VMRESUME there.</summary>
    public VmxResult Resume(Action<Assembler> code)
    {
        Fill(Code, a =>
        {
            code(a);
            a.hlt();
        });
        this[VmcsField.GuestRip] = Code;
        return Processor.VmResume(this);
    }

    /// <summary>A 64-bit interrupt gate to <see cref="Handler"/>.</summary>
    public void Gate(int vector, ulong type = 0xE, int dpl = 0)
    {
        ulong low = (Handler & 0xFFFF) | 8UL << 16 | (0x80 | type | (ulong)dpl << 5) << 40 | Handler >> 16 << 48;
        Span<ulong> idt = MemoryMarshal.Cast<byte, ulong>(Memory.Bytes[(int)Idt..]);
        idt[vector * 2] = low;
        idt[(vector * 2) + 1] = Handler >> 32;
    }

    public ulong Stack(int index) => MemoryMarshal.Cast<byte, ulong>(Memory.Bytes[(int)(Processor.Registers.Rsp + (ulong)index * 8)..])[0];

    public VmExitAction OnExit(ref VmExit exit)
    {
        Assert.True(Exits.Count < 10_000, "The guest exits without end.");
        Exits.Add(exit);
        return exit.Reason == ExitReason.Hlt ? VmExitAction.Leave : Respond?.Invoke(this, ref exit) ?? VmExitAction.Leave;
    }

    public void Dispose()
    {
        _machine.Dispose();
        Memory.Dispose();
    }

    private void WriteControls()
    {
        this[VmcsField.PinBasedControls] = Capabilities.Adjust(
            Msr.Ia32VmxTruePinbasedCtls, (uint)PinBasedControls.ExternalInterruptExiting);
        this[VmcsField.PrimaryProcessorBasedControls] = Capabilities.Adjust(
            Msr.Ia32VmxTrueProcbasedCtls,
            (uint)(PrimaryProcessorBasedControls.HltExiting | PrimaryProcessorBasedControls.ActivateSecondaryControls));
        this[VmcsField.SecondaryProcessorBasedControls] = Capabilities.Adjust(
            Msr.Ia32VmxProcbasedCtls2,
            (uint)(SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.UnrestrictedGuest
                | SecondaryProcessorBasedControls.EnableRdtscp | SecondaryProcessorBasedControls.EnableInvpcid));
        this[VmcsField.VmExitControls] = Capabilities.Adjust(
            Msr.Ia32VmxTrueExitCtls,
            (uint)(VmExitControls.HostAddressSpaceSize | VmExitControls.SaveDebugControls | VmExitControls.SaveIa32Pat
                | VmExitControls.SaveIa32Efer));
        this[VmcsField.VmEntryControls] = Capabilities.Adjust(
            Msr.Ia32VmxTrueEntryCtls,
            (uint)(VmEntryControls.LoadIa32Efer | VmEntryControls.LoadDebugControls | VmEntryControls.LoadIa32Pat | (_bitness == 64 ? VmEntryControls.Ia32eModeGuest : 0)));
        this[VmcsField.VmcsLinkPointer] = ulong.MaxValue;
        HostPage root = AllocatePage();
        HostPage table = AllocatePage();
        MemoryMarshal.Write(root.Memory.Span, EptEntry.Table(table.PhysicalAddress).Value);
        HostPage directory = AllocatePage();
        MemoryMarshal.Write(table.Memory.Span, EptEntry.Table(directory.PhysicalAddress).Value);
        _eptDirectory = directory.Memory;
        for (ulong n = 0; n < MemorySize >> 21; n++)
        {
            EptDirectory[(int)n] = EptEntry.Page(n << 21, EptAccess.Read | EptAccess.Write | EptAccess.Execute, 2).Value;
        }

        this[VmcsField.EptPointer] = EptPointer.Create(root.PhysicalAddress).Value;
    }

    private void WriteHost()
    {
        this[VmcsField.HostCr0] = Capabilities.Msrs[Msr.Ia32VmxCr0Fixed0];
        this[VmcsField.HostCr4] = Capabilities.Msrs[Msr.Ia32VmxCr4Fixed0] | (ulong)Cr4Bits.Pae;
        this[VmcsField.HostCsSelector] = 8;
        this[VmcsField.HostTrSelector] = 16;
        this[VmcsField.HostIa32Efer] = (ulong)(EferBits.Lme | EferBits.Lma);
    }

    private ProcessorState GuestState()
    {
        var state = new ProcessorState
        {
            Rip = _bitness == 16 ? 0 : Code,
            Cr0 = (ulong)(Cr0Bits.Ne | Cr0Bits.Et),
            Cr4 = (ulong)Cr4Bits.Vmxe,
            Gdtr = new DescriptorTableState(Gdt, 0xFF),
            Idtr = new DescriptorTableState(Idt, 0xFFF),
        };
        state.Registers.Rsp = 0x8000;
        state.DebugRegisters[6] = 0xFFFF_0FF0;
        state.DebugRegisters[7] = 0x400;
        uint code = _bitness switch { 64 => 0xA09Bu, 32 => 0xC09B, _ => 0x9B };
        uint data = _bitness == 16 ? 0x93u : 0xC093;
        uint limit = _bitness == 16 ? 0xFFFF : uint.MaxValue;
        for (int n = 0; n < 6; n++)
        {
            state.Segments[n] = new SegmentState((ushort)(_bitness == 16 ? 0 : 0x10), 0, limit, data);
        }

        state.Segments[(int)SegmentRegister.Cs] = _bitness == 16
            ? new SegmentState((ushort)(Code >> 4), Code, limit, code)
            : new SegmentState(8, 0, limit, code);
        state.Segments[(int)SegmentRegister.Ldtr] = new SegmentState(0, 0, 0, 0x1_0000);
        state.Segments[(int)SegmentRegister.Tr] = new SegmentState(0x18, Tss, 0x67, 0x8B);
        WriteGdt(code);
        if (_bitness != 16)
        {
            state.Cr0 |= (ulong)Cr0Bits.Pe;
        }

        if (_bitness == 64)
        {
            BuildPageTables();
            state.Cr0 |= (ulong)(Cr0Bits.Pg | Cr0Bits.Wp);
            state.Cr3 = PageTables;
            state.Cr4 |= (ulong)(Cr4Bits.Pae | Cr4Bits.Osxsave);
            state.Msrs[Msr.Ia32Efer] = (ulong)(EferBits.Lme | EferBits.Lma | EferBits.Nxe | EferBits.Sce);
        }

        state.Msrs[Msr.Ia32Pat] = 0x0007_0406_0007_0406;
        return state;
    }

    // 8 code, 0x10 data, 0x18 busy TSS, 0x28 an available TSS of 32 bits.
    private void WriteGdt(uint code)
    {
        Span<ulong> gdt = MemoryMarshal.Cast<byte, ulong>(Memory.Bytes[(int)Gdt..]);
        gdt[1] = 0x000F_0000_0000_FFFF | (ulong)(code | 0x8000) << 40;
        gdt[2] = 0x00CF_9300_0000_FFFF;
        gdt[3] = 0x0000_8B00_0000_0067 | Tss << 16;
        gdt[5] = 0x0000_8900_0000_0067 | (Tss + 0x1000) << 16;
    }

    private void BuildPageTables()
    {
        Span<ulong> tables = MemoryMarshal.Cast<byte, ulong>(Memory.Bytes[(int)PageTables..]);
        tables[0] = PageTables + 0x1000 | 7;
        tables[512] = PageTables + 0x2000 | 7;
        for (int n = 0; n < 512; n++)
        {
            tables[1024 + n] = (ulong)n << 21 | 0x87;
        }
    }
}
