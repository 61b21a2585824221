namespace Vmm.Vmx;

/// <summary>
/// What is the same on every engine of the instructions that manage VMX operation (SDM Vol. 3C ch. 31): VMXON, VMXOFF,
/// VMCLEAR, VMPTRLD. Belongs to one processor, and to one thread at a time.
/// </summary>
/// <param name="regions">The VMCS data of the machine.</param>
/// <param name="physicalAddressBits">Width of the pointers to regions.</param>
/// <param name="processor">Whose guest state a VMCS takes up and gives back.</param>
public sealed class VmxOperation(VmcsRegions regions, int physicalAddressBits, ICurrentVmcs processor)
{
    private ulong? _vmxonRegion;
    private ulong _currentPointer;

    /// <summary>Whether VMXON was executed.</summary>
    public bool IsOn => _vmxonRegion is not null;

    /// <summary>The current VMCS, or null.</summary>
    public Vmcs? Current { get; private set; }

    /// <summary>VMXON.</summary>
    /// <param name="region">Pointer to the VMXON region.</param>
    public VmxResult On(ulong region)
    {
        if (IsOn)
        {
            return Fail(VmInstructionError.VmxonInVmxRoot);
        }

        if (!IsRegionAddress(region))
        {
            return VmxResult.FailInvalid;
        }

        _vmxonRegion = region;
        return VmxResult.Succeed;
    }

    /// <summary>VMXOFF.</summary>
    public VmxResult Off()
    {
        if (!IsOn)
        {
            return VmxResult.FailInvalid;
        }

        Release();
        _vmxonRegion = null;
        return VmxResult.Succeed;
    }

    /// <summary>VMCLEAR.</summary>
    /// <param name="vmcs">VMCS pointer.</param>
    public VmxResult Clear(ulong vmcs)
    {
        if (Check(vmcs, VmInstructionError.VmclearInvalidAddress, VmInstructionError.VmclearVmxonPointer) is { IsSuccess: false } failure)
        {
            return failure;
        }

        if (vmcs == _currentPointer)
        {
            Release();
        }

        regions[vmcs].LaunchState = VmcsLaunchState.Clear;
        return VmxResult.Succeed;
    }

    /// <summary>VMPTRLD.</summary>
    /// <param name="vmcs">VMCS pointer.</param>
    public VmxResult PtrLd(ulong vmcs)
    {
        if (Check(vmcs, VmInstructionError.VmptrldInvalidAddress, VmInstructionError.VmptrldVmxonPointer) is { IsSuccess: false } failure)
        {
            return failure;
        }

        if (vmcs != _currentPointer)
        {
            Release();
            Current = regions.At(vmcs, out bool isNew);
            _currentPointer = vmcs;
            processor.TakeUp(Current, isNew);
        }

        return VmxResult.Succeed;
    }

    private VmxResult Check(ulong vmcs, VmInstructionError invalidAddress, VmInstructionError isVmxonPointer) =>
        !IsOn ? VmxResult.FailInvalid
        : !IsRegionAddress(vmcs) ? Fail(invalidAddress)
        : vmcs == _vmxonRegion ? Fail(isVmxonPointer)
        : VmxResult.Succeed;

    private void Release()
    {
        if (Current is { } vmcs)
        {
            processor.GiveBack(vmcs);
        }

        Current = null;
        _currentPointer = 0;
    }

    private VmxResult Fail(VmInstructionError error) => Current?.Fail(error) ?? VmxResult.FailInvalid;

    private bool IsRegionAddress(ulong address) => address != 0 && (address & 0xFFF) == 0 && address >> physicalAddressBits == 0;
}

/// <summary>The processor that a VMCS becomes current on: it holds the guest state meanwhile.</summary>
public interface ICurrentVmcs
{
    /// <summary>The VMCS has become current.</summary>
    /// <param name="vmcs">The VMCS.</param>
    /// <param name="isNew">Whether nobody has used it: its guest state says nothing.</param>
    void TakeUp(Vmcs vmcs, bool isNew);

    /// <summary>The VMCS is no longer current and gets its guest state.</summary>
    /// <param name="vmcs">The VMCS.</param>
    void GiveBack(Vmcs vmcs);
}
