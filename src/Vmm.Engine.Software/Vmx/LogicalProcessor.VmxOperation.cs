using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software;

/// <summary>The VMX instructions (SDM Vol. 3C ch. 31), called by name.</summary>
internal sealed unsafe partial class LogicalProcessor : ILogicalProcessor, ICurrentVmcs
{
    private readonly VmxOperation _operation;

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

    public ulong Cr8
    {
        get => _state->Cr8;
        set => _state->Cr8 = value;
    }

    public IEnumerable<KeyValuePair<string, long>> Counters =>
    [
        new("vm exits", NonRoot.ExitCount),
        new("instructions interpreted", (long)_state->InstructionsRetired),
        new("tlb misses of reads", Mmu.ReadMisses),
        new("tlb misses of writes", Mmu.WriteMisses),
        new("tlb misses of fetches", Mmu.FetchMisses),
        new("page walks", Mmu.Walks),
        new("blocks decoded", Blocks.Decoded),
        new("interpreting, us", Phases.Microseconds(ProcessorPhase.Interpreting)),
        new("in exits, us", Phases.Microseconds(ProcessorPhase.Exit)),
        .. Translator?.Counters ?? [],
        .. Translator == null ? [] : TranslatorTimes,
        .. _lockstep == null ? [] : (KeyValuePair<string, long>[])[new("blocks compared", _lockstep.Compared)],
    ];

    private KeyValuePair<string, long>[] TranslatorTimes =>
    [
        new("in translated code, us", Phases.Microseconds(ProcessorPhase.Translated)),
        new("translating, us", Phases.Microseconds(ProcessorPhase.Translating)),
    ];

    public VmxResult VmxOn(ulong region) => _operation.On(region);

    public VmxResult VmxOff() => _operation.Off();

    public VmxResult VmClear(ulong vmcs) => _operation.Clear(vmcs);

    public VmxResult VmPtrLd(ulong vmcs) => _operation.PtrLd(vmcs);

    void ICurrentVmcs.TakeUp(Vmcs vmcs, bool isNew)
    {
        GuestStateArea.Load(_state, vmcs);
        NonRoot.NoteNewState();
    }

    void ICurrentVmcs.GiveBack(Vmcs vmcs) => GuestStateArea.Store(_state, vmcs);

    public VmxResult VmRead(VmcsField field, out ulong value)
    {
        value = 0;
        if (_operation.Current is not { } current)
        {
            return VmxResult.FailInvalid;
        }

        if (field == VmcsField.PreemptionTimerValue && NonRoot.TryReadTimer(out value))
        {
            return VmxResult.Succeed;
        }

        if (GuestStateArea.TryRead(_state, field.Full, out ulong live))
        {
            current[field.Full] = live;
        }

        return current.Read(field, out value);
    }

    public VmxResult VmWrite(VmcsField field, ulong value)
    {
        if (_operation.Current is not { } current)
        {
            return VmxResult.FailInvalid;
        }

        if (field.IsHigh && GuestStateArea.TryRead(_state, field.Full, out ulong live))
        {
            current[field.Full] = live;
        }

        VmxResult result = current.Write(field, value);
        if (result.IsSuccess)
        {
            GuestStateArea.TryWrite(_state, field.Full, current[field.Full]);
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
        if (!_operation.IsOn || NonRoot.IsAborted)
        {
            return VmxResult.FailInvalid;
        }

        VmxResult result = VmEntryChecks.CheckLaunchState(_operation.Current, isLaunch);
        return result.IsSuccess ? NonRoot.Run(_operation.Current!, sink) : result;
    }
}
