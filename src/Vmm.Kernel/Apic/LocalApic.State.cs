namespace Vmm.Kernel;

// The local APIC in its engine-neutral form.
internal sealed partial class LocalApic
{
    private const ulong BaseFlags = BootstrapBit | X2ApicBit | EnableBit;

    /// <summary>Copies the state out. Only while the VM is quiet.</summary>
    public LocalApicState Save()
    {
        var state = new LocalApicState { Base = _base, PendingErrors = _pendingErrors };
        for (int number = 0; number < LocalApicState.RegisterCount; number++)
        {
            if (ReadRegister((ApicRegister)number, out uint value))
            {
                state.Registers[number] = value;
            }
        }

        Timer.Save(state);
        return state;
    }

    /// <summary>Sets the state; bits that do not exist are dropped. Only while the VM is quiet, with the time-stamp offset in place.</summary>
    /// <exception cref="StateException">The state is impossible.</exception>
    public void Restore(LocalApicState state)
    {
        if ((state.Base & BaseFlags & (X2ApicBit | EnableBit)) == X2ApicBit || (state.Base & (PageSize - 1) & ~BaseFlags) != 0)
        {
            throw new StateException($"IA32_APIC_BASE 0x{state.Base:x} is impossible.");
        }

        ResetRegisters();
        Volatile.Write(ref _base, state.Base);
        uint[] registers = state.Registers;
        uint Register(ApicRegister register) => registers[(int)register];
        _taskPriority = Register(ApicRegister.TaskPriority) & 0xFF;
        _logicalDestination = IsX2Apic ? X2ApicLogicalDestination : Register(ApicRegister.LogicalDestination) & 0xFF00_0000;
        _destinationFormat = Register(ApicRegister.DestinationFormat) | 0x0FFF_FFFF;
        Volatile.Write(ref _spuriousVector, Register(ApicRegister.SpuriousVector) & (0x1FF | NoEndBroadcast));
        _errorStatus = Register(ApicRegister.ErrorStatus) & 0xFF;
        _pendingErrors = state.PendingErrors & 0xFF;
        _interruptCommandLow = Register(ApicRegister.InterruptCommandLow) & 0x000C_CFFF;
        _interruptCommandHigh = Register(ApicRegister.InterruptCommandHigh);
        for (ApicRegister entry = ApicRegister.LvtTimer; entry <= ApicRegister.LvtError; entry++)
        {
            _lvt[entry - ApicRegister.LvtTimer] = Register(entry) & WritableLvtBits(entry);
        }

        _isr.Load(registers.AsSpan((int)ApicRegister.InService, VectorSet.Words));
        _tmr.Load(registers.AsSpan((int)ApicRegister.TriggerMode, VectorSet.Words));
        _irr.Load(registers.AsSpan((int)ApicRegister.InterruptRequest, VectorSet.Words));
        var mode = (ApicTimerMode)((Lvt(ApicRegister.LvtTimer) >> 17) & 3);
        Timer.Restore(state, mode, Register(ApicRegister.InitialCount), Register(ApicRegister.DivideConfiguration));
    }
}
