namespace Vmm.Kernel;

// The registers as the guest reads and writes them, by xAPIC page or x2APIC MSR.
internal sealed partial class LocalApic
{
    private const uint VersionRegister = 0x14 | (5 << 16); // integrated APIC, six LVT entries (11.4.8)
    private const uint FixedLvtBits = LvtMasked | 0xFF;

    /// <summary>Reads from the xAPIC page. Registers are 32 bits at multiples of 16; anything else reads as 0.</summary>
    public ulong ReadPage(uint offset, int width)
    {
        if ((offset & 0xF) + width > 4)
        {
            return 0;
        }

        return ReadRegister((ApicRegister)(offset >> 4), out uint value) ? value >> (int)(8 * (offset & 3)) : 0;
    }

    /// <summary>Writes to the xAPIC page. Only whole registers can be written (11.4.1).</summary>
    public void WritePage(uint offset, int width, uint value)
    {
        if (width != 4 || (offset & 0xF) != 0)
        {
            return;
        }

        var register = (ApicRegister)(offset >> 4);
        switch (register)
        {
            case ApicRegister.Id:
                break; // read-only on recent processors (11.4.6)
            case ApicRegister.LogicalDestination:
                Volatile.Write(ref _logicalDestination, value & 0xFF00_0000);
                break;
            case ApicRegister.DestinationFormat:
                Volatile.Write(ref _destinationFormat, value | 0x0FFF_FFFF);
                break;
            case ApicRegister.InterruptCommandHigh:
                _interruptCommandHigh = value & 0xFF00_0000;
                break;
            case ApicRegister.InterruptCommandLow:
                _interruptCommandLow = value & 0x000C_CFFF;
                SendCommand(value, _interruptCommandHigh >> 24);
                break;
            case ApicRegister.EndOfInterrupt:
                EndOfInterrupt();
                break;
            case ApicRegister.ErrorStatus:
                LatchErrors();
                break;
            case ApicRegister.SelfIpi:
                RaiseError(ApicError.IllegalRegisterAddress);
                break;
            default:
                WriteRegister(register, value);
                break;
        }
    }

    /// <summary>RDMSR of 0x800 to 0x8FF.</summary>
    /// <returns>False for a general-protection fault (11.12.1.2).</returns>
    public bool TryReadMsr(uint index, out ulong value)
    {
        var register = (ApicRegister)(index - Msr.X2ApicFirst);
        if (register == ApicRegister.InterruptCommandLow)
        {
            value = _interruptCommandLow | ((ulong)_interruptCommandHigh << 32);
            return IsX2Apic;
        }

        bool known = ReadRegister(register, out uint low) &&
            register is not (ApicRegister.EndOfInterrupt or ApicRegister.SelfIpi or ApicRegister.DestinationFormat
                or ApicRegister.ArbitrationPriority or ApicRegister.RemoteRead or ApicRegister.InterruptCommandHigh);
        value = low;
        return IsX2Apic && known;
    }

    /// <summary>WRMSR of 0x800 to 0x8FF.</summary>
    /// <returns>False for a general-protection fault.</returns>
    public bool TryWriteMsr(uint index, ulong value)
    {
        if (!IsX2Apic)
        {
            return false;
        }

        var register = (ApicRegister)(index - Msr.X2ApicFirst);
        switch (register)
        {
            case ApicRegister.InterruptCommandLow:
                _interruptCommandLow = (uint)value & 0x000C_CFFF;
                _interruptCommandHigh = (uint)(value >> 32);
                SendCommand((uint)value, (uint)(value >> 32));
                return true;
            case ApicRegister.EndOfInterrupt:
                EndOfInterrupt();
                return value == 0;
            case ApicRegister.ErrorStatus:
                LatchErrors();
                return value == 0;
            case ApicRegister.SelfIpi:
                AcceptVector((byte)value, level: false);
                return value <= 0xFF;
            default:
                return value <= uint.MaxValue && WriteRegister(register, (uint)value);
        }
    }

    private bool ReadRegister(ApicRegister register, out uint value)
    {
        value = 0;
        switch (register)
        {
            case ApicRegister.Id:
                value = IsX2Apic ? Id : Id << 24;
                return true;
            case ApicRegister.Version:
                value = VersionRegister;
                return true;
            case ApicRegister.TaskPriority:
                value = _taskPriority;
                return true;
            case ApicRegister.ProcessorPriority or ApicRegister.ArbitrationPriority:
                value = ProcessorPriority();
                return true;
            case ApicRegister.LogicalDestination:
                value = _logicalDestination;
                return true;
            case ApicRegister.DestinationFormat:
                value = _destinationFormat;
                return true;
            case ApicRegister.SpuriousVector:
                value = _spuriousVector;
                return true;
            case >= ApicRegister.InService and < ApicRegister.TriggerMode:
                value = _isr.Word(register - ApicRegister.InService);
                return true;
            case >= ApicRegister.TriggerMode and < ApicRegister.InterruptRequest:
                value = _tmr.Word(register - ApicRegister.TriggerMode);
                return true;
            case >= ApicRegister.InterruptRequest and < ApicRegister.ErrorStatus:
                value = _irr.Word(register - ApicRegister.InterruptRequest);
                return true;
            case ApicRegister.ErrorStatus:
                value = _errorStatus;
                return true;
            case ApicRegister.InterruptCommandLow:
                value = _interruptCommandLow;
                return true;
            case ApicRegister.InterruptCommandHigh:
                value = _interruptCommandHigh;
                return true;
            case >= ApicRegister.LvtTimer and <= ApicRegister.LvtError:
                value = Lvt(register);
                return true;
            case ApicRegister.InitialCount:
                value = Timer.InitialCount;
                return true;
            case ApicRegister.CurrentCount:
                value = Timer.CurrentCount;
                return true;
            case ApicRegister.DivideConfiguration:
                value = Timer.DivideConfiguration;
                return true;
            default:
                return false;
        }
    }

    private bool WriteRegister(ApicRegister register, uint value)
    {
        switch (register)
        {
            case ApicRegister.TaskPriority:
                SetTaskPriority(value & 0xFF);
                return true;
            case ApicRegister.SpuriousVector:
                Volatile.Write(ref _spuriousVector, value & 0x1FF);
                if ((value & SoftwareEnable) == 0)
                {
                    MaskAll();
                }

                _processor.SignalInterrupt();
                return true;
            case >= ApicRegister.LvtTimer and <= ApicRegister.LvtError:
                WriteLvt(register, value);
                return true;
            case ApicRegister.InitialCount:
                Timer.InitialCount = value;
                return true;
            case ApicRegister.DivideConfiguration:
                Timer.DivideConfiguration = value;
                return true;
            default:
                return false;
        }
    }

    private void WriteLvt(ApicRegister register, uint value)
    {
        value &= WritableLvtBits(register);
        if (!IsSoftwareEnabled)
        {
            value |= LvtMasked; // 11.4.7.2
        }

        Volatile.Write(ref _lvt[register - ApicRegister.LvtTimer], value);
        switch (register)
        {
            case ApicRegister.LvtTimer:
                Timer.Mode = (ApicTimerMode)((value >> 17) & 3);
                break;
            case ApicRegister.LvtLint0:
                _processor.SignalInterrupt();
                break;
        }
    }

    private static uint WritableLvtBits(ApicRegister register) => register switch
    {
        ApicRegister.LvtTimer => FixedLvtBits | (3 << 17),
        ApicRegister.LvtError => FixedLvtBits,
        ApicRegister.LvtLint0 or ApicRegister.LvtLint1 => FixedLvtBits | LvtLevel | (1 << 13) | 0x700,
        _ => FixedLvtBits | 0x700,
    };

    private void MaskAll()
    {
        for (int i = 0; i < _lvt.Length; i++)
        {
            Interlocked.Or(ref _lvt[i], LvtMasked);
        }
    }

    private void SetTaskPriority(uint value)
    {
        _taskPriority = value;
        _processor.SetTaskPriority(Cr8);
        _processor.SignalInterrupt();
    }

    private void EndOfInterrupt()
    {
        int vector = _isr.Highest();
        if (vector >= 0)
        {
            _isr.Clear(vector);
            // An engine's APIC may have let the guest turn the broadcast off (11.8.5); this one does not offer it.
            if (_tmr[vector] && BroadcastsEnds)
            {
                _bus.EndOfInterrupt((byte)vector);
            }

            _processor.SignalInterrupt();
        }
    }

    /// <summary>A write to ESR shows the errors since the last write (11.5.3).</summary>
    private void LatchErrors() => _errorStatus = Interlocked.Exchange(ref _pendingErrors, 0);

    /// <summary>Sends an inter-processor interrupt (11.6.1).</summary>
    private void SendCommand(uint low, uint destination)
    {
        var mode = (DeliveryMode)((low >> 8) & 7);
        var vector = (byte)low;
        bool level = (low & (1 << 15)) != 0, assert = (low & (1 << 14)) != 0;
        if (mode == DeliveryMode.Init && level && !assert)
        {
            return; // INIT level de-assert: not supported by recent processors
        }

        if (mode is DeliveryMode.Fixed or DeliveryMode.LowestPriority && vector < 16)
        {
            RaiseError(ApicError.SendIllegalVector);
            return;
        }

        var message = new InterruptMessage(destination, (low & (1 << 11)) != 0, mode, vector, Level: false);
        _bus.SendCommand(this, message, (ApicShorthand)((low >> 18) & 3));
    }
}

/// <summary>Destination shorthands (SDM Vol. 3A 11.6.1).</summary>
internal enum ApicShorthand
{
    None = 0,
    Self = 1,
    AllIncludingSelf = 2,
    AllExcludingSelf = 3,
}
