using Vmm.Engine.Kvm.Vmx;

namespace Vmm.Engine.Kvm;

// The VMX instructions (SDM Vol. 3C ch. 31), called by name.
internal sealed unsafe partial class KvmProcessor
{
    private readonly VmxOperation _operation;

    public VmxResult VmxOn(ulong region) => _operation.On(region);

    public VmxResult VmxOff() => _operation.Off();

    public VmxResult VmClear(ulong vmcs) => _operation.Clear(vmcs);

    public VmxResult VmPtrLd(ulong vmcs) => _operation.PtrLd(vmcs);

    void ICurrentVmcs.TakeUp(Vmcs vmcs, bool isNew)
    {
        NoteNewState();
        if (!isNew)
        {
            _guest.Load(vmcs);
        }
    }

    void ICurrentVmcs.GiveBack(Vmcs vmcs) => _guest.Store(vmcs);

    public VmxResult VmRead(VmcsField field, out ulong value)
    {
        value = 0;
        if (_operation.Current is not { } current)
        {
            return VmxResult.FailInvalid;
        }

        VmcsField full = field.Full;
        if (VmcsFields.IsDefined((uint)full) && !FieldHome.IsSupported(full))
        {
            return current.Fail(VmInstructionError.UnsupportedVmcsComponent);
        }

        if (GuestStateFields.IsLive(full))
        {
            current[full] = _guest.Read(full);
        }
        else if (full == VmcsField.VmEntryControls)
        {
            FollowLongMode();
        }

        return current.Read(field, out value);
    }

    public VmxResult VmWrite(VmcsField field, ulong value)
    {
        if (_operation.Current is not { } current)
        {
            return VmxResult.FailInvalid;
        }

        VmcsField full = field.Full;
        if (VmcsFields.IsDefined((uint)full) && (!FieldHome.IsSupported(full) || IsBeyondKvm(full, value)))
        {
            return current.Fail(VmInstructionError.UnsupportedVmcsComponent);
        }

        bool live = GuestStateFields.IsLive(full);
        if (field.IsHigh && live)
        {
            current[full] = _guest.Read(full);
        }

        VmxResult result = current.Write(field, value);
        if (result.IsSuccess)
        {
            if (live)
            {
                _guest.Write(full, current[full]);
            }

            NoteWrite(full);
        }

        return result;
    }

    public VmxResult VmLaunch(IVmExitSink sink) => Enter(sink, isLaunch: true);

    public VmxResult VmResume(IVmExitSink sink) => Enter(sink, isLaunch: false);

    private VmxResult Enter(IVmExitSink sink, bool isLaunch)
    {
        if (!_operation.IsOn)
        {
            return VmxResult.FailInvalid;
        }

        VmxResult result = VmEntryChecks.CheckLaunchState(_operation.Current, isLaunch);
        return result.IsSuccess ? Run(_operation.Current!, sink) : result;
    }

    // Values for which KVM has no means: the host owns CR bits, or exceptions other than #BP and #DB exit.
    private static bool IsBeyondKvm(VmcsField field, ulong value) => field switch
    {
        VmcsField.Cr0GuestHostMask or VmcsField.Cr4GuestHostMask => value != 0,
        VmcsField.ExceptionBitmap => (value & ~(1UL << (int)ExceptionVector.Breakpoint | 1UL << (int)ExceptionVector.Debug)) != 0,
        _ => false,
    };
}
