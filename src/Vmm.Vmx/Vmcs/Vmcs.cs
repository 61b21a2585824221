using System.Runtime.CompilerServices;

namespace Vmm.Vmx;

/// <summary>
/// The data of one virtual-machine control structure (SDM Vol. 3C 25.2), for engines that keep it themselves. Storage is
/// one array indexed by encoding: a read of a known field is one load. Belongs to one thread at a time.
/// </summary>
/// <param name="revision">VMCS revision identifier, as in IA32_VMX_BASIC[30:0].</param>
/// <param name="readOnlyFieldsWritable">Whether VMWRITE may write VM-exit information fields (IA32_VMX_MISC[29]).</param>
public sealed class Vmcs(uint revision, bool readOnlyFieldsWritable = false)
{
    private readonly ulong[] _slots = new ulong[VmcsLayout.SlotCount];

    /// <summary>VMCS revision identifier.</summary>
    public uint Revision { get; } = revision;

    /// <summary>Launch state (SDM Vol. 3C 25.1).</summary>
    public VmcsLaunchState LaunchState { get; set; }

    /// <summary>VMX-abort indicator (SDM Vol. 3C 28.7).</summary>
    public VmxAbort AbortIndicator { get; set; }

    /// <summary>
    /// A field as the processor itself sees it: no access check, not for "high" encodings. The caller keeps values within the field's width.
    /// </summary>
    public ulong this[VmcsField field]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _slots[VmcsLayout.Slot(field)];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        set => _slots[VmcsLayout.Slot(field)] = value;
    }

    /// <summary>VMREAD (SDM Vol. 3C ch. 31): an encoding that names no field is error 12.</summary>
    public VmxResult Read(VmcsField field, out ulong value)
    {
        ulong mask = VmcsLayout.Mask(field);
        if (mask == 0)
        {
            value = 0;
            return Fail(VmInstructionError.UnsupportedVmcsComponent);
        }

        value = this[field];
        if (field.IsHigh)
        {
            value >>= 32;
        }

        return VmxResult.Succeed;
    }

    /// <summary>
    /// VMWRITE (SDM Vol. 3C ch. 31): an encoding that names no field is error 12, a VM-exit information field is error 13
    /// unless IA32_VMX_MISC[29] is set. Bits above the field's width are dropped; a "high" encoding replaces bits 63:32.
    /// </summary>
    public VmxResult Write(VmcsField field, ulong value)
    {
        ulong mask = VmcsLayout.Mask(field);
        if (mask == 0)
        {
            return Fail(VmInstructionError.UnsupportedVmcsComponent);
        }

        if (field.IsReadOnly && !readOnlyFieldsWritable)
        {
            return Fail(VmInstructionError.VmwriteReadOnlyComponent);
        }

        ref ulong slot = ref _slots[VmcsLayout.Slot(field)];
        slot = field.IsHigh ? (uint)slot | value << 32 : value & mask;
        return VmxResult.Succeed;
    }

    /// <summary>VMfailValid: leaves the error number in the VM-instruction error field (SDM Vol. 3C 31.2).</summary>
    public VmxResult Fail(VmInstructionError error)
    {
        this[VmcsField.VmInstructionError] = (ulong)error;
        return VmxResult.FailValid(error);
    }
}

/// <summary>Launch state of a VMCS.</summary>
public enum VmcsLaunchState
{
    /// <summary>As VMCLEAR leaves it: VMLAUNCH may enter.</summary>
    Clear = 0,

    /// <summary>VMLAUNCH has entered: VMRESUME may enter.</summary>
    Launched = 1,
}

/// <summary>VMX-abort indicators (SDM Vol. 3C 28.7).</summary>
public enum VmxAbort : uint
{
    None = 0,
    SavingGuestMsrs = 1,
    HostPdpteChecking = 2,
    CurrentVmcsCorrupted = 3,
    LoadingHostMsrs = 4,
    MachineCheck = 5,
    HostAddressSpaceTransition = 6,
}
