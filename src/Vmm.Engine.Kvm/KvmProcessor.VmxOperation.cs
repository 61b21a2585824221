using Vmm.Engine.Kvm.Vmx;

namespace Vmm.Engine.Kvm;

// The VMX instructions (SDM Vol. 3C ch. 31), called by name.
internal sealed unsafe partial class KvmProcessor
{
    private ulong? _vmxonRegion;
    private ulong _currentPointer;
    private Vmcs? _current;

    public VmxResult VmxOn(ulong region)
    {
        if (_vmxonRegion is not null)
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

    public VmxResult VmxOff()
    {
        if (_vmxonRegion is null)
        {
            return VmxResult.FailInvalid;
        }

        Release();
        _vmxonRegion = null;
        return VmxResult.Succeed;
    }

    public VmxResult VmClear(ulong vmcs)
    {
        if (_vmxonRegion is null)
        {
            return VmxResult.FailInvalid;
        }

        if (!IsRegionAddress(vmcs))
        {
            return Fail(VmInstructionError.VmclearInvalidAddress);
        }

        if (vmcs == _vmxonRegion)
        {
            return Fail(VmInstructionError.VmclearVmxonPointer);
        }

        if (vmcs == _currentPointer)
        {
            Release();
        }

        Region(vmcs).LaunchState = VmcsLaunchState.Clear;
        return VmxResult.Succeed;
    }

    public VmxResult VmPtrLd(ulong vmcs)
    {
        if (_vmxonRegion is null)
        {
            return VmxResult.FailInvalid;
        }

        if (!IsRegionAddress(vmcs))
        {
            return Fail(VmInstructionError.VmptrldInvalidAddress);
        }

        if (vmcs == _vmxonRegion)
        {
            return Fail(VmInstructionError.VmptrldVmxonPointer);
        }

        if (vmcs != _currentPointer)
        {
            Release();
            bool isNew = !_machine.VmcsRegions.ContainsKey(vmcs);
            _current = Region(vmcs);
            _currentPointer = vmcs;
            NoteNewState();
            if (!isNew)
            {
                _guest.Load(_current);
            }
        }

        return VmxResult.Succeed;
    }

    public VmxResult VmRead(VmcsField field, out ulong value)
    {
        value = 0;
        if (_current is null)
        {
            return VmxResult.FailInvalid;
        }

        VmcsField full = field.Full;
        if (VmcsFields.IsDefined((uint)full) && !FieldHome.IsSupported(full))
        {
            return _current.Fail(VmInstructionError.UnsupportedVmcsComponent);
        }

        if (GuestStateFields.IsLive(full))
        {
            _current[full] = _guest.Read(full);
        }
        else if (full == VmcsField.VmEntryControls)
        {
            FollowLongMode();
        }

        return _current.Read(field, out value);
    }

    public VmxResult VmWrite(VmcsField field, ulong value)
    {
        if (_current is null)
        {
            return VmxResult.FailInvalid;
        }

        VmcsField full = field.Full;
        if (VmcsFields.IsDefined((uint)full) && (!FieldHome.IsSupported(full) || IsBeyondKvm(full, value)))
        {
            return _current.Fail(VmInstructionError.UnsupportedVmcsComponent);
        }

        bool live = GuestStateFields.IsLive(full);
        if (field.IsHigh && live)
        {
            _current[full] = _guest.Read(full);
        }

        VmxResult result = _current.Write(field, value);
        if (result.IsSuccess)
        {
            if (live)
            {
                _guest.Write(full, _current[full]);
            }

            NoteWrite(full);
        }

        return result;
    }

    public VmxResult VmLaunch(IVmExitSink sink) => Enter(sink, isLaunch: true);

    public VmxResult VmResume(IVmExitSink sink) => Enter(sink, isLaunch: false);

    private VmxResult Enter(IVmExitSink sink, bool isLaunch)
    {
        if (_vmxonRegion is null)
        {
            return VmxResult.FailInvalid;
        }

        VmxResult result = VmEntryChecks.CheckLaunchState(_current, isLaunch);
        return result.IsSuccess ? Run(_current!, sink) : result;
    }

    // Values for which KVM has no means: the host owns CR bits, or exceptions other than #BP exit.
    private static bool IsBeyondKvm(VmcsField field, ulong value) => field switch
    {
        VmcsField.Cr0GuestHostMask or VmcsField.Cr4GuestHostMask => value != 0,
        VmcsField.ExceptionBitmap => (value & ~(1UL << (int)ExceptionVector.Breakpoint)) != 0,
        _ => false,
    };

    /// <summary>The current VMCS gets its guest state back, and none is current.</summary>
    private void Release()
    {
        if (_current is not null)
        {
            _guest.Store(_current);
        }

        _current = null;
        _currentPointer = 0;
    }

    private Vmcs Region(ulong pointer) => _machine.VmcsRegions.GetOrAdd(pointer, static _ => new Vmcs(KvmCapabilities.Revision));

    private VmxResult Fail(VmInstructionError error) => _current?.Fail(error) ?? VmxResult.FailInvalid;

    private bool IsRegionAddress(ulong address) =>
        address != 0 && (address & 0xFFF) == 0 && address >> _machine.Capabilities.PhysicalAddressBits == 0;
}
