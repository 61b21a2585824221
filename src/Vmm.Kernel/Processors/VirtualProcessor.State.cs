using System.Buffers.Binary;

namespace Vmm.Kernel;

// The state of the guest's processor as the kernel loads, saves and changes it.
internal sealed partial class VirtualProcessor
{
    private const ulong CsLongBit = 1 << 13;

    private ulong _cr0Fixed;
    private ulong _cr4Fixed;
    private ulong _timestampOffset;
    private long _memoryMapGeneration;

    /// <inheritdoc/>
    public ulong InstructionPointer
    {
        get => Vmcs[VmcsField.GuestRip];
        set => Vmcs[VmcsField.GuestRip] = value;
    }

    /// <inheritdoc/>
    public int PrivilegeLevel => (int)new SegmentAccessRights((uint)Vmcs[VmcsField.GuestSsAccessRights]).Dpl;

    /// <inheritdoc/>
    public ulong TimestampCounter => Machine.Clock.Timestamp + _timestampOffset;

    /// <inheritdoc/>
    public ulong TimestampFrequency => Machine.Clock.Frequency;

    /// <inheritdoc/>
    public IGuestMemory Memory => Machine.Memory;

    /// <summary>What the guest's time-stamp counter is ahead of virtual time.</summary>
    public ulong TimestampOffset
    {
        get => _timestampOffset;
        set
        {
            _timestampOffset = value;
            Apic.Timer.TimestampOffset = (long)value;
            if (_stage != VmxStage.Off)
            {
                Vmcs[VmcsField.TscOffset] = value;
            }
        }
    }

    /// <summary>Whether other EPT tables than this processor's are in force.</summary>
    public bool IsMemoryMapStale => _memoryMapGeneration != Machine.MemoryMapGeneration;

    /// <summary>The EPT tables that this processor may use.</summary>
    public long MemoryMapGeneration => Volatile.Read(ref _memoryMapGeneration);

    private bool IsLongMode =>
        (Vmcs[VmcsField.GuestIa32Efer] & (ulong)EferBits.Lma) != 0 && (Vmcs[VmcsField.GuestCsAccessRights] & CsLongBit) != 0;

    /// <summary>Copies the processor's state out. Only while no thread runs it, after the first entry.</summary>
    public ProcessorState Save()
    {
        if (_stage == VmxStage.Off || _stateToLoad is not null)
        {
            return _stateToLoad ?? PowerOnState.Create(Machine.Cpuid.Signature);
        }

        var state = new ProcessorState();
        Logical.SaveState(state);
        state.Cr0 = (state.Cr0 & ~_cr0Fixed) | (Vmcs[VmcsField.Cr0ReadShadow] & _cr0Fixed);
        state.Cr4 = (state.Cr4 & ~_cr4Fixed) | (Vmcs[VmcsField.Cr4ReadShadow] & _cr4Fixed);
        state.Cr8 = Apic.Cr8;
        state.Activity = (uint)_activity;
        return state;
    }

    /// <summary>
    /// Sets CR0 as the guest sees it; bits that VMX operation fixes go to the read shadow. Follows with what depends on
    /// paging: the entry control for IA-32e mode and the PDPTE fields.
    /// </summary>
    public void SetCr0(ulong value)
    {
        Vmcs[VmcsField.GuestCr0] = value | _cr0Fixed;
        Vmcs[VmcsField.Cr0ReadShadow] = value;
        bool paging = (value & (ulong)Cr0Bits.Pg) != 0;
        var efer = (EferBits)Vmcs[VmcsField.GuestIa32Efer];
        bool longMode = paging && efer.HasFlag(EferBits.Lme);
        Vmcs[VmcsField.GuestIa32Efer] = (ulong)(longMode ? efer | EferBits.Lma : efer & ~EferBits.Lma);
        VmEntryControls entry = VmcsSetup.EntryControls(Machine.Engine.Capabilities);
        Vmcs[VmcsField.VmEntryControls] = (ulong)(longMode ? entry | VmEntryControls.Ia32eModeGuest : entry & ~VmEntryControls.Ia32eModeGuest);
        if (paging && !longMode && (Vmcs[VmcsField.GuestCr4] & (ulong)Cr4Bits.Pae) != 0)
        {
            LoadPageDirectoryPointers();
        }
    }

    /// <summary>Says, not too often, that the guest jumped to where no memory is.</summary>
    public void NoteFetchFromNowhere(ulong address) =>
        Machine.Note($"Processor {Id.Index} fetches code from 0x{address:x}, where there is no memory; it gets an invalid-opcode exception.");

    private void Load(ProcessorState state)
    {
        VmxCapabilities capabilities = Machine.Engine.Capabilities;
        const ulong WaivedByUnrestrictedGuest = (ulong)(Cr0Bits.Pe | Cr0Bits.Pg); // SDM Vol. 3C 24.8
        _cr0Fixed = capabilities.Msrs[Msr.Ia32VmxCr0Fixed0] & ~WaivedByUnrestrictedGuest;
        _cr4Fixed = capabilities.Msrs[Msr.Ia32VmxCr4Fixed0];
        Logical.LoadState(state);
        Vmcs[VmcsField.Cr0GuestHostMask] = _cr0Fixed;
        Vmcs[VmcsField.Cr4GuestHostMask] = _cr4Fixed;
        Vmcs[VmcsField.Cr4ReadShadow] = state.Cr4;
        Vmcs[VmcsField.GuestCr4] = state.Cr4 | _cr4Fixed;
        SetCr0(state.Cr0);
        Vmcs[VmcsField.GuestActivityState] = (uint)ActivityState.Active; // HLT and wait-for-SIPI are spent outside
        Vmcs[VmcsField.TscOffset] = _timestampOffset;
        Apic.Cr8 = (uint)state.Cr8;
        Vmcs[VmcsField.EntryInterruptionInformation] = 0; // nothing that waited for the guest before
        if (state.PendingEvent != 0)
        {
            Vmcs[VmcsField.EntryExceptionErrorCode] = state.PendingEventErrorCode;
            Queue(new InterruptionInformation(state.PendingEvent));
        }

        if ((ActivityState)state.Activity == ActivityState.Hlt)
        {
            _activity = ActivityState.Hlt;
        }
    }

    private void UpdateMemoryMap()
    {
        (EptPointer pointer, long generation) = Machine.MemoryMap;
        if (generation != _memoryMapGeneration)
        {
            Vmcs[VmcsField.EptPointer] = pointer.Value;
            Volatile.Write(ref _memoryMapGeneration, generation);
        }
    }

    // PAE paging under EPT enters with the PDPTEs from the VMCS (SDM Vol. 3C 27.3.2.4).
    private void LoadPageDirectoryPointers()
    {
        Span<byte> table = stackalloc byte[32];
        table.Clear();
        _ = Memory.TryRead(Vmcs[VmcsField.GuestCr3] & 0xFFFF_FFE0, table);
        for (int i = 0; i < 4; i++)
        {
            Vmcs[(VmcsField)((int)VmcsField.GuestPdpte0 + (2 * i))] = BinaryPrimitives.ReadUInt64LittleEndian(table[(8 * i)..]);
        }
    }
}
