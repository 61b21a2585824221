using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Kvm;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>What a guest's board does at an exit. Not called for the HLT that ends the guest.</summary>
internal delegate VmExitAction ExitResponse(GuestMachine machine, ref VmExit exit);

/// <summary>
/// A small guest on an engine, through the public contract alone. Ends at a HLT with RAX = <see cref="EndMark"/>, at a
/// triple fault, or where the response leaves; every exit is written down.
/// </summary>
internal sealed class GuestMachine : IVmExitSink, IDisposable
{
    public const ulong EndMark = 0xE4D;
    private const ulong VmxonRegion = 0x1000, VmcsRegion = 0x2000;
    private const int MaximumExits = 20_000;

    private readonly IVmxMachine _machine;
    private readonly GuestMode _mode;
    private HostPage _msrBitmap;
    private bool _ended;

    public GuestMachine(IVmxEngine engine, GuestMode mode)
        : this(engine, mode, engine.CreateMachine)
    {
    }

    public GuestMachine(KvmEngine engine, GuestMode mode, LocalApicModel apics)
        : this(engine, mode, apics == LocalApicModel.Kvm ? engine.CreateMachineWithLocalApics : engine.CreateMachine)
    {
    }

    private GuestMachine(IVmxEngine engine, GuestMode mode, Func<IPhysicalMemory, ITimeSource, IVmxMachine> create)
    {
        _mode = mode;
        Engine = engine;
        _machine = create(Memory, Time);
        Processor = _machine.CreateProcessor(0);
        GuestLayout.Write(Memory.Bytes, mode);
        EnterVmxOperation();
        Processor.LoadState(GuestLayout.Start(mode, engine.Capabilities));
    }

    public IVmxEngine Engine { get; }

    public IVmxMachine Machine => _machine;

    public HostTime Time { get; } = new();

    public GuestRam Memory { get; } = new();

    public ILogicalProcessor Processor { get; }

    /// <summary>Every exit so far.</summary>
    public ExitTranscript Transcript { get; } = new();

    public ExitResponse? Respond { get; set; }

    /// <summary>What CPUID shows, by leaf and sub-leaf, instead of what the engine has.</summary>
    public Dictionary<(uint Leaf, uint Subleaf), CpuidResult> Cpuid { get; } = [];

    /// <summary>Whether VMLAUNCH has entered.</summary>
    public bool IsLaunched { get; private set; }

    public ulong this[VmcsField field]
    {
        get
        {
            Assert.Equal(VmxResult.Succeed, Processor.VmRead(field, out ulong value));
            return value;
        }

        set => Assert.Equal(VmxResult.Succeed, Processor.VmWrite(field, value));
    }

    public bool InterruptsEnabled => (this[VmcsField.GuestRflags] & (ulong)RflagsBits.If) != 0;

    /// <summary>Assembles code at an address.</summary>
    public void Assemble(ulong address, Action<Assembler> code, int bitness = 0)
    {
        bitness = bitness == 0 ? (int)_mode : bitness;
        var assembler = new Assembler(bitness);
        code(assembler);
        using var stream = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(stream), bitness == 16 ? address - GuestLayout.Code : address);
        Memory.Write(address, stream.ToArray());
    }

    /// <summary>Whether <see cref="Run"/> enters again where the response left, until the guest ends.</summary>
    public bool RunsAgain { get; set; }

    /// <summary>Runs until the guest ends.</summary>
    public void Run()
    {
        _ended = false;
        do
        {
            VmxResult result = IsLaunched ? Processor.VmResume(this) : Processor.VmLaunch(this);
            Assert.Equal(VmxResult.Succeed, result);
            IsLaunched = true;
        }
        while (RunsAgain && !_ended);
    }

    /// <summary>The state as the guest sees it: as the kernel does, without the bits that VMX operation fixes.</summary>
    public ProcessorState Save()
    {
        var state = new ProcessorState();
        Processor.SaveState(state);
        state.Cr4 &= ~Engine.Capabilities.Msrs[Msr.Ia32VmxCr4Fixed0];
        return state;
    }

    /// <summary>Loads a state that <see cref="Save"/> gave.</summary>
    public void Load(ProcessorState state)
    {
        state.Cr4 |= Engine.Capabilities.Msrs[Msr.Ia32VmxCr4Fixed0];
        Processor.LoadState(state);
    }

    /// <summary>An interrupt or trap gate of the guest's mode to a handler.</summary>
    public void Gate(int vector, ulong handler, ulong type = 0xE)
    {
        if (_mode == GuestMode.Real)
        {
            MemoryMarshal.Write(Memory.Bytes[(vector * 4)..], (uint)((handler - GuestLayout.Code) | (GuestLayout.Code << 12)));
            return;
        }

        ulong low = (handler & 0xFFFF) | ((ulong)GuestLayout.CodeSelector << 16) | ((0x80 | type) << 40) | (handler >> 16 << 48);
        Span<ulong> idt = MemoryMarshal.Cast<byte, ulong>(Memory.Bytes[(int)GuestLayout.Idt..]);
        idt[_mode == GuestMode.Long ? vector * 2 : vector] = low;
    }

    public void Inject(InterruptionInformation information) => this[VmcsField.EntryInterruptionInformation] = information.Value;

    public void Set(PrimaryProcessorBasedControls control) => this[VmcsField.PrimaryProcessorBasedControls] |= (ulong)control;

    public void Clear(PrimaryProcessorBasedControls control) => this[VmcsField.PrimaryProcessorBasedControls] &= ~(ulong)control;

    /// <summary>Makes reads and writes of an MSR exit, or not.</summary>
    public void Intercept(uint msr, bool exits)
    {
        int offset = (msr >= 0xC000_0000 ? 1024 : 0) + (int)((msr & 0x1FFF) / 8);
        byte bit = (byte)(1 << (int)(msr & 7));
        foreach (int part in (int[])[offset, offset + 2048])
        {
            ref byte bits = ref _msrBitmap.Memory.Span[part];
            bits = (byte)(exits ? bits | bit : bits & ~bit);
        }
    }

    /// <summary>Opens or closes the gate of address line 20: the second MiB is itself, or the first.</summary>
    public void SetAddressLine20(bool enabled) => this[VmcsField.EptPointer] = WriteExtendedPageTables(enabled);

    public VmExitAction OnExit(ref VmExit exit)
    {
        Assert.True(Transcript.Count < MaximumExits, "The guest exits without end.");
        bool ends = exit.Reason == ExitReason.TripleFault || (exit.Reason == ExitReason.Hlt && Processor.Registers.Rax == EndMark);
        _ended |= ends;
        VmExitAction action = ends ? VmExitAction.Leave : Answer(ref exit);
        Transcript.Add(exit, this);
        return action;
    }

    public void Dispose()
    {
        _machine.Dispose();
        Memory.Dispose();
    }

    // The board's default: devices read as ones, CPUID as the engine's, MSRs as what the registers hold, HLT goes on.
    private VmExitAction Answer(ref VmExit exit)
    {
        if (exit.Access == VmExitAccess.Read)
        {
            exit.Data = ulong.MaxValue;
        }

        if (exit.Reason == ExitReason.Cpuid)
        {
            AnswerCpuid();
        }

        return Respond?.Invoke(this, ref exit) ?? Default(exit);
    }

    private void AnswerCpuid()
    {
        ref GuestRegisters registers = ref Processor.Registers;
        (uint leaf, uint subleaf) = ((uint)registers.Rax, (uint)registers.Rcx);
        if (!Cpuid.TryGetValue((leaf, subleaf), out CpuidResult result))
        {
            result = Engine.Capabilities.Cpuid.FirstOrDefault(found => found.Leaf == leaf && (found.Subleaf ?? subleaf) == subleaf).Result;
        }

        (registers.Rax, registers.Rbx, registers.Rcx, registers.Rdx) = (result.Eax, result.Ebx, result.Ecx, result.Edx);
    }

    public static VmExitAction Default(in VmExit exit) => exit.Access != VmExitAccess.None
        ? VmExitAction.Complete
        : exit.Reason is ExitReason.Cpuid or ExitReason.Hlt or ExitReason.Rdmsr or ExitReason.Wrmsr or ExitReason.ControlRegisterAccess
            ? VmExitAction.NextInstruction
            : exit.Reason is ExitReason.TaskSwitch ? VmExitAction.Complete : VmExitAction.Resume;

    private void EnterVmxOperation()
    {
        Assert.Equal(VmxResult.Succeed, Processor.VmxOn(VmxonRegion));
        Assert.Equal(VmxResult.Succeed, Processor.VmClear(VmcsRegion));
        Assert.Equal(VmxResult.Succeed, Processor.VmPtrLd(VmcsRegion));
        VmxCapabilities capabilities = Engine.Capabilities;
        this[VmcsField.PinBasedControls] = capabilities.Adjust(
            Msr.Ia32VmxTruePinbasedCtls, (uint)(PinBasedControls.ExternalInterruptExiting | PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis));
        this[VmcsField.PrimaryProcessorBasedControls] = capabilities.Adjust(
            Msr.Ia32VmxTrueProcbasedCtls,
            (uint)(PrimaryProcessorBasedControls.HltExiting | PrimaryProcessorBasedControls.UnconditionalIoExiting
                | PrimaryProcessorBasedControls.UseMsrBitmaps | PrimaryProcessorBasedControls.ActivateSecondaryControls));
        this[VmcsField.SecondaryProcessorBasedControls] = capabilities.Adjust(
            Msr.Ia32VmxProcbasedCtls2,
            (uint)(SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.UnrestrictedGuest
                | SecondaryProcessorBasedControls.EnableRdtscp | SecondaryProcessorBasedControls.EnableInvpcid));
        this[VmcsField.VmExitControls] = capabilities.Adjust(
            Msr.Ia32VmxTrueExitCtls, (uint)(VmExitControls.HostAddressSpaceSize | VmExitControls.SaveDebugControls
                | VmExitControls.SaveIa32Efer | VmExitControls.LoadIa32Efer));
        this[VmcsField.VmEntryControls] = capabilities.Adjust(
            Msr.Ia32VmxTrueEntryCtls,
            (uint)(VmEntryControls.LoadIa32Efer | VmEntryControls.LoadDebugControls | VmEntryControls.LoadIa32Pat
                | (_mode == GuestMode.Long ? VmEntryControls.Ia32eModeGuest : 0)));
        this[VmcsField.VmcsLinkPointer] = ulong.MaxValue;
        WriteMsrBitmap();
        SetAddressLine20(enabled: true);
        WriteHost();
    }

    private void WriteHost()
    {
        VmxCapabilities capabilities = Engine.Capabilities;
        this[VmcsField.HostCr0] = capabilities.Msrs[Msr.Ia32VmxCr0Fixed0];
        this[VmcsField.HostCr4] = capabilities.Msrs[Msr.Ia32VmxCr4Fixed0] | (ulong)Cr4Bits.Pae;
        this[VmcsField.HostCsSelector] = 8;
        this[VmcsField.HostTrSelector] = 16;
        this[VmcsField.HostIa32Efer] = (ulong)(EferBits.Lme | EferBits.Lma);
        this[VmcsField.HostIa32Pat] = 0x0007_0406_0007_0406;
    }

    private void WriteMsrBitmap()
    {
        _msrBitmap = _machine.AllocatePage();
        _msrBitmap.Memory.Span.Fill(0xFF);
        foreach (uint msr in (uint[])[
            Msr.Ia32SysenterCs, Msr.Ia32SysenterEsp, Msr.Ia32SysenterEip, Msr.Ia32Pat, Msr.Ia32Efer, Msr.Ia32Star, Msr.Ia32Lstar,
            Msr.Ia32Cstar, Msr.Ia32Fmask, Msr.Ia32FsBase, Msr.Ia32GsBase, Msr.Ia32KernelGsBase, Msr.Ia32TscAux])
        {
            Intercept(msr, exits: false);
        }

        this[VmcsField.MsrBitmapAddress] = _msrBitmap.PhysicalAddress;
    }

    private ulong WriteExtendedPageTables(bool addressLine20 = true)
    {
        HostPage root = _machine.AllocatePage(), table = _machine.AllocatePage(), directory = _machine.AllocatePage();
        MemoryMarshal.Write(root.Memory.Span, EptEntry.Table(table.PhysicalAddress).Value);
        MemoryMarshal.Write(table.Memory.Span, EptEntry.Table(directory.PhysicalAddress).Value);
        Span<ulong> pages = MemoryMarshal.Cast<byte, ulong>(directory.Memory.Span);
        const EptAccess All = EptAccess.Read | EptAccess.Write | EptAccess.Execute;
        for (ulong n = 0; n < GuestRam.Length >> 21; n++)
        {
            pages[(int)n] = EptEntry.Page(n << 21, All, 2).Value;
        }

        HostPage rom = _machine.AllocatePage();
        pages[(int)(GuestRam.Rom >> 21)] = EptEntry.Table(rom.PhysicalAddress).Value;
        MemoryMarshal.Write(rom.Memory.Span, EptEntry.Page(GuestRam.Rom, EptAccess.Read | EptAccess.Execute, 1).Value);
        if (!addressLine20)
        {
            HostPage low = _machine.AllocatePage();
            pages[0] = EptEntry.Table(low.PhysicalAddress).Value;
            Span<ulong> lowPages = MemoryMarshal.Cast<byte, ulong>(low.Memory.Span);
            for (ulong n = 0; n < 512; n++)
            {
                lowPages[(int)n] = EptEntry.Page((n & 0xFF) << 12, All, 1).Value;
            }
        }

        return EptPointer.Create(root.PhysicalAddress).Value;
    }
}
