using System.Runtime.InteropServices;

namespace Vmm.Kernel;

// The state of the guest's processor as the kernel loads, saves and changes it.
internal sealed partial class VirtualProcessor
{
    private const ulong CsLongBit = 1 << 13;

    private ulong _cr0Fixed;
    private ulong _cr4Fixed;
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
    public IGuestMemory Memory => Machine.Memory;

    /// <summary>Whether other EPT tables than this processor's are in force.</summary>
    public bool IsMemoryMapStale => _memoryMapGeneration != Machine.MemoryMapGeneration;

    /// <summary>The EPT tables that this processor may use.</summary>
    public long MemoryMapGeneration => Volatile.Read(ref _memoryMapGeneration);

    /// <summary>Whether the guest has PAE paging, which uses the PDPTE fields.</summary>
    private bool UsesPageDirectoryPointers =>
        (Vmcs[VmcsField.GuestCr0] & (ulong)Cr0Bits.Pg) != 0 && (Vmcs[VmcsField.GuestCr4] & (ulong)Cr4Bits.Pae) != 0
        && (Vmcs[VmcsField.GuestIa32Efer] & (ulong)EferBits.Lma) == 0;

    private ulong[] PageDirectoryPointers
    {
        get => [Vmcs[VmcsField.GuestPdpte0], Vmcs[VmcsField.GuestPdpte1], Vmcs[VmcsField.GuestPdpte2], Vmcs[VmcsField.GuestPdpte3]];
        set
        {
            for (int i = 0; i < 4; i++)
            {
                Vmcs[(VmcsField)((int)VmcsField.GuestPdpte0 + (2 * i))] = value[i];
            }
        }
    }

    private bool IsLongMode =>
        (Vmcs[VmcsField.GuestIa32Efer] & (ulong)EferBits.Lma) != 0 && (Vmcs[VmcsField.GuestCsAccessRights] & CsLongBit) != 0;

    /// <summary>
    /// Sets CR0 as the guest sees it; bits that VMX operation fixes go to the read shadow. Follows with what depends on
    /// paging: the entry control for IA-32e mode and the PDPTE fields.
    /// </summary>
    public void SetCr0(ulong value)
    {
        Vmcs[VmcsField.GuestCr0] = value | _cr0Fixed;
        Vmcs[VmcsField.Cr0ReadShadow] = value;
        InterceptFloatingPointErrors((value & (ulong)Cr0Bits.Ne) == 0 && Machine.FloatingPointErrors.IsConnected);
        bool paging = (value & (ulong)Cr0Bits.Pg) != 0;
        var efer = (EferBits)Vmcs[VmcsField.GuestIa32Efer];
        bool longMode = paging && efer.HasFlag(EferBits.Lme);
        Vmcs[VmcsField.GuestIa32Efer] = (ulong)(longMode ? efer | EferBits.Lma : efer & ~EferBits.Lma);
        VmEntryControls entry = VmcsSetup.EntryControls(Machine.Engine.Capabilities);
        Vmcs[VmcsField.VmEntryControls] = (ulong)(longMode ? entry | VmEntryControls.Ia32eModeGuest : entry & ~VmEntryControls.Ia32eModeGuest);
        if (UsesPageDirectoryPointers)
        {
            ReadPageDirectoryPointers();
        }
    }

    /// <summary>Whether the guest wants x87 errors on the FERR# pin.</summary>
    public bool ReportsFloatingPointErrors =>
        (Vmcs[VmcsField.Cr0ReadShadow] & (ulong)Cr0Bits.Ne) == 0 && Machine.FloatingPointErrors.IsConnected;

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
        if (state.LocalApic is null)
        {
            Apic.Cr8 = (uint)state.Cr8;
        }

        Logical.Cr8 = Apic.Cr8;

        if (state.PageDirectoryPointers is { } pointers && UsesPageDirectoryPointers)
        {
            PageDirectoryPointers = pointers;
        }

        Vmcs[VmcsField.EntryInterruptionInformation] = 0; // nothing that waited for the guest before
        if (state.PendingEvent != 0)
        {
            Vmcs[VmcsField.EntryExceptionErrorCode] = state.PendingEventErrorCode;
            Vmcs[VmcsField.EntryInstructionLength] = state.PendingEventInstructionLength;
            Queue(new InterruptionInformation(state.PendingEvent));
        }

        if ((ActivityState)state.Activity == ActivityState.Hlt && !IsApicWithEngine)
        {
            _activity = ActivityState.Hlt;
        }
    }

    private void InterceptFloatingPointErrors(bool intercepts)
    {
        ulong bitmap = intercepts ? 1UL << (int)ExceptionVector.X87FloatingPoint : 0;
        if (Vmcs[VmcsField.ExceptionBitmap] != bitmap)
        {
            _ = Vmcs.TryWrite(VmcsField.ExceptionBitmap, bitmap); // where #MF cannot be intercepted, the guest gets it
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
    private void ReadPageDirectoryPointers()
    {
        Span<byte> table = stackalloc byte[32];
        table.Clear();
        _ = Memory.TryRead(Vmcs[VmcsField.GuestCr3] & 0xFFFF_FFE0, table);
        PageDirectoryPointers = MemoryMarshal.Cast<byte, ulong>(table).ToArray();
    }
}
