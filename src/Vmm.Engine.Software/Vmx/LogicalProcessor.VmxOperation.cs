using System.Collections.Concurrent;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software;

/// <summary>The VMX instructions (SDM Vol. 3C ch. 31), called by name.</summary>
internal sealed unsafe partial class LogicalProcessor : ILogicalProcessor
{
    private ulong? _vmxonRegion;
    private ulong _currentPointer;
    private Vmcs? _current;

    /// <summary>VMCS data by VMCS pointer, shared by the processors of a machine.</summary>
    public ConcurrentDictionary<ulong, Vmcs> VmcsRegions { get; init; } = new();

    public ref GuestRegisters Registers => ref _state->Gpr;

    public ulong Xcr0
    {
        get => _state->Xcr0;
        set
        {
            _state->Xcr0 = value;
            BlockMode.Update(_state);
        }
    }

    public ulong Cr2
    {
        get => _state->Cr2;
        set => _state->Cr2 = value;
    }

    public IEnumerable<KeyValuePair<string, long>> Counters =>
    [
        new("vm exits", NonRoot.ExitCount),
        new("instructions interpreted", (long)_state->InstructionsRetired),
        new("page walks", Mmu.Walks),
        new("blocks decoded", Blocks.Decoded),
        .. Translator?.Counters ?? [],
    ];

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
            _current = Region(vmcs);
            _currentPointer = vmcs;
            GuestStateArea.Load(_state, _current);
            NonRoot.NoteNewState();
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

        if (field == VmcsField.PreemptionTimerValue && NonRoot.TryReadTimer(out value))
        {
            return VmxResult.Succeed;
        }

        if (GuestStateArea.TryRead(_state, field.Full, out ulong live))
        {
            _current[field.Full] = live;
        }

        return _current.Read(field, out value);
    }

    public VmxResult VmWrite(VmcsField field, ulong value)
    {
        if (_current is null)
        {
            return VmxResult.FailInvalid;
        }

        if (field.IsHigh && GuestStateArea.TryRead(_state, field.Full, out ulong live))
        {
            _current[field.Full] = live;
        }

        VmxResult result = _current.Write(field, value);
        if (result.IsSuccess)
        {
            GuestStateArea.TryWrite(_state, field.Full, _current[field.Full]);
            NonRoot.NoteWrite(field.Full);
        }

        return result;
    }

    public VmxResult VmLaunch(IVmExitSink sink) => Enter(sink, isLaunch: true);

    public VmxResult VmResume(IVmExitSink sink) => Enter(sink, isLaunch: false);

    public void Kick() => NonRoot.Kick();

    /// <summary>Reads 8 bytes of host-physical memory for the entry checks.</summary>
    public ulong ReadPhysical(ulong address) => Memory.TryResolve(address, out byte* pointer) ? *(ulong*)pointer : ulong.MaxValue;

    private VmxResult Enter(IVmExitSink sink, bool isLaunch)
    {
        if (_vmxonRegion is null || NonRoot.IsAborted)
        {
            return VmxResult.FailInvalid;
        }

        VmxResult result = VmEntryChecks.CheckLaunchState(_current, isLaunch);
        return result.IsSuccess ? NonRoot.Run(_current!, sink) : result;
    }

    /// <summary>The current VMCS gets its guest state back, and none is current.</summary>
    private void Release()
    {
        if (_current is not null)
        {
            GuestStateArea.Store(_state, _current);
        }

        _current = null;
        _currentPointer = 0;
    }

    private Vmcs Region(ulong pointer) => VmcsRegions.GetOrAdd(pointer, static _ => new Vmcs(EngineCapabilities.Revision));

    private VmxResult Fail(VmInstructionError error) => _current?.Fail(error) ?? VmxResult.FailInvalid;

    private static bool IsRegionAddress(ulong address) =>
        address != 0 && (address & 0xFFF) == 0 && address >> HostPhysicalMemory.AddressBits == 0;
}
