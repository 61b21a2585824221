namespace Vmm.Kernel;

/// <summary>
/// The local APIC of one processor (SDM Vol. 3A chapter 11). Registers belong to the processor's thread;
/// <see cref="Accept"/> and the pins may be called from any thread.
/// </summary>
internal sealed partial class LocalApic
{
    /// <summary>Where the page is after reset (11.4.1).</summary>
    public const ulong DefaultBase = 0xFEE0_0000;

    public const ulong PageSize = 4096;

    private const ulong BootstrapBit = 1 << 8, X2ApicBit = 1 << 10, EnableBit = 1 << 11;
    private const uint LvtMasked = 1 << 16, LvtLevel = 1 << 15, LvtRemoteIrr = 1 << 14, LvtPending = 1 << 12;
    private const uint SoftwareEnable = 1 << 8, NoEndBroadcast = 1 << 12;

    private readonly IApicProcessor _processor;
    private readonly ApicBus _bus;
    private readonly uint[] _lvt = new uint[6];
    private readonly VectorSet _irr = new();
    private readonly VectorSet _isr = new();
    private readonly VectorSet _tmr = new();
    private ulong _base;
    private uint _taskPriority;
    private uint _logicalDestination;
    private uint _destinationFormat;
    private uint _spuriousVector;
    private uint _errorStatus;
    private uint _pendingErrors;
    private uint _interruptCommandLow;
    private uint _interruptCommandHigh;

    public LocalApic(uint id, IApicProcessor processor, ApicBus bus, VirtualClock clock, string name, ulong? timestampFrequency = null)
    {
        Id = id;
        _processor = processor;
        _bus = bus;
        Timer = new ApicTimer(clock, $"{name} APIC timer", () => FireLocal(ApicRegister.LvtTimer))
        {
            TimestampFrequency = timestampFrequency ?? clock.Frequency,
        };
        bus.Add(this);
        PowerOn();
    }

    /// <summary>APIC id.</summary>
    public uint Id { get; }

    public ApicTimer Timer { get; }

    /// <summary>IA32_APIC_BASE (11.4.4).</summary>
    public ulong Base => Volatile.Read(ref _base);

    /// <summary>First address of the xAPIC page.</summary>
    public ulong PageAddress => Base & ~(PageSize - 1);

    public bool IsEnabled => (Base & EnableBit) != 0;

    public bool IsX2Apic => (Base & (EnableBit | X2ApicBit)) == (EnableBit | X2ApicBit);

    /// <summary>Whether the xAPIC page answers.</summary>
    public bool HasPage => (Base & (EnableBit | X2ApicBit)) == EnableBit;

    /// <summary>Whether vectors are accepted: globally and by the spurious-vector register.</summary>
    public bool IsSoftwareEnabled => IsEnabled && (Volatile.Read(ref _spuriousVector) & SoftwareEnable) != 0;

    /// <summary>Whether I/O APICs hear of the ends of level-triggered interrupts (11.9).</summary>
    public bool BroadcastsEnds => (Volatile.Read(ref _spuriousVector) & NoEndBroadcast) == 0;

    /// <summary>TPR bits 7:4, as CR8 shows them.</summary>
    public uint Cr8
    {
        get => _taskPriority >> 4;
        set => SetTaskPriority((value & 0xF) << 4);
    }

    /// <summary>The logical id of x2APIC mode, which is derived from the APIC id (11.12.10.2).</summary>
    private uint X2ApicLogicalDestination => ((Id >> 4) << 16) | (1u << (int)(Id & 0xF));

    /// <summary>
    /// Whether the INTR pin of the 8259A reaches the core: through LINT0 in ExtINT mode, or directly while the APIC is
    /// disabled (11.4.3).
    /// </summary>
    public bool PassesExternalInterrupts => !IsEnabled || (Lvt(ApicRegister.LvtLint0) & (LvtMasked | 0x700)) == (uint)DeliveryMode.ExternalInterrupt << 8;

    /// <summary>Writes IA32_APIC_BASE.</summary>
    /// <returns>False for a general-protection fault: an illegal transition or reserved bits (figures 11-5 and 11-27).</returns>
    public bool TrySetBase(ulong value, int physicalAddressBits)
    {
        ulong reserved = ~(((1UL << physicalAddressBits) - 1) & ~(PageSize - 1)) & ~(BootstrapBit | X2ApicBit | EnableBit);
        bool x2 = (value & X2ApicBit) != 0, enabled = (value & EnableBit) != 0;
        if ((value & reserved) != 0 || (x2 && !enabled) || (IsX2Apic && enabled && !x2) || (!IsEnabled && x2))
        {
            return false;
        }

        if (!enabled && IsEnabled)
        {
            ResetRegisters();
        }

        Volatile.Write(ref _base, (value & ~BootstrapBit) | (_base & BootstrapBit));
        if (x2)
        {
            _logicalDestination = X2ApicLogicalDestination;
        }

        _processor.SignalInterrupt();
        return true;
    }

    /// <summary>State after power-up or reset (11.4.7.1).</summary>
    public void PowerOn()
    {
        Volatile.Write(ref _base, DefaultBase | EnableBit | (Id == 0 ? BootstrapBit : 0));
        ResetRegisters();
    }

    /// <summary>
    /// Virtual-wire mode, in which firmware hands the bootstrap processor over (MultiProcessor Specification 1.4,
    /// 3.6.2.2): the 8259A reaches the core through LINT0, the NMI through LINT1.
    /// </summary>
    public void EnterVirtualWireMode()
    {
        Volatile.Write(ref _spuriousVector, 0xFF | SoftwareEnable);
        WriteLvt(ApicRegister.LvtLint0, (uint)DeliveryMode.ExternalInterrupt << 8);
        WriteLvt(ApicRegister.LvtLint1, (uint)DeliveryMode.Nmi << 8);
    }

    /// <summary>The engine has the registers: what is here is the APIC of a processor that has none, and is disabled.</summary>
    public void Detach()
    {
        ResetRegisters();
        Volatile.Write(ref _base, DefaultBase);
    }

    /// <summary>State after INIT (11.4.7.3): as after reset, but the base register survives.</summary>
    public void ResetRegisters()
    {
        Timer.Reset();
        _irr.Reset();
        _isr.Reset();
        _tmr.Reset();
        Array.Fill(_lvt, LvtMasked);
        _taskPriority = _errorStatus = _pendingErrors = _interruptCommandLow = _interruptCommandHigh = 0;
        _logicalDestination = 0;
        _destinationFormat = uint.MaxValue;
        Volatile.Write(ref _spuriousVector, 0xFF);
    }

    /// <summary>Processor priority (11.8.3.1).</summary>
    public uint ProcessorPriority()
    {
        uint service = (uint)Math.Max(_isr.Highest(), 0);
        return (_taskPriority & 0xF0) >= (service & 0xF0) ? _taskPriority : service & 0xF0;
    }

    /// <summary>The vector that can be delivered now, or -1 (11.8.4).</summary>
    public int Deliverable()
    {
        int vector = _irr.Highest();
        return vector >= 0 && IsSoftwareEnabled && ((uint)vector & 0xF0) > (ProcessorPriority() & 0xF0) ? vector : -1;
    }

    /// <summary>Whether a vector waits or is in service.</summary>
    public bool Has(int vector) => _irr[vector] || _isr[vector];

    /// <summary>The core takes a vector: it moves from request to service.</summary>
    public void Acknowledge(int vector)
    {
        _irr.Clear(vector);
        _isr.Set(vector);
    }

    /// <summary>Takes an interrupt message that is addressed to this APIC.</summary>
    public void Accept(in InterruptMessage message)
    {
        switch (message.Mode)
        {
            case DeliveryMode.Fixed or DeliveryMode.LowestPriority:
                AcceptVector(message.Vector, message.Level);
                break;
            case DeliveryMode.Nmi:
                _processor.SignalNmi();
                break;
            case DeliveryMode.Init:
                _processor.SignalInit();
                break;
            case DeliveryMode.Startup:
                _processor.SignalStartup(message.Vector);
                break;
            case DeliveryMode.ExternalInterrupt:
                _bus.ExternalInterruptTarget = this;
                _processor.SignalInterrupt();
                break;
        }
    }

    /// <summary>A pin of the processor changed: LINT0 or LINT1.</summary>
    public void SetPin(ApicRegister lint, bool asserted)
    {
        uint entry = Lvt(lint);
        var mode = (DeliveryMode)((entry >> 8) & 7);
        if (!IsEnabled && lint == ApicRegister.LvtLint1)
        {
            if (asserted)
            {
                _processor.SignalNmi(); // without an APIC the pins are INTR and NMI (11.4.3)
            }
        }
        else if (mode == DeliveryMode.ExternalInterrupt || !IsEnabled)
        {
            _processor.SignalInterrupt();
        }
        else if (asserted)
        {
            FireLocal(lint);
        }
    }

    /// <summary>Whether a message addresses this APIC (11.6.2).</summary>
    public bool Matches(uint destination, bool logical)
    {
        uint broadcast = IsX2Apic ? uint.MaxValue : 0xFF;
        if (destination == uint.MaxValue || destination == broadcast)
        {
            return true;
        }

        if (!logical)
        {
            return destination == Id;
        }

        uint mine = Volatile.Read(ref _logicalDestination);
        if (IsX2Apic)
        {
            return destination >> 16 == mine >> 16 && (destination & mine & 0xFFFF) != 0;
        }

        mine >>= 24;
        bool flat = Volatile.Read(ref _destinationFormat) >> 28 == 0xF;
        return flat ? (destination & mine) != 0 : destination >> 4 == mine >> 4 && (destination & mine & 0xF) != 0;
    }

    /// <summary>Delivers through an entry of the local vector table (11.5.1).</summary>
    private void FireLocal(ApicRegister register)
    {
        uint entry = Lvt(register);
        if ((entry & LvtMasked) != 0 || !IsEnabled)
        {
            return;
        }

        bool level = register is ApicRegister.LvtLint0 or ApicRegister.LvtLint1 && (entry & LvtLevel) != 0;
        var mode = register is ApicRegister.LvtTimer or ApicRegister.LvtError ? DeliveryMode.Fixed : (DeliveryMode)((entry >> 8) & 7);
        Accept(new InterruptMessage(Id, false, mode, (byte)entry, level));
    }

    private void AcceptVector(byte vector, bool level)
    {
        if (vector < 16)
        {
            RaiseError(ApicError.ReceiveIllegalVector);
        }
        else if (IsSoftwareEnabled)
        {
            _tmr.Put(vector, level);
            if (_irr.Set(vector))
            {
                _processor.SignalInterrupt();
            }
        }
    }

    private void RaiseError(ApicError error)
    {
        Interlocked.Or(ref _pendingErrors, (uint)error);
        uint entry = Lvt(ApicRegister.LvtError);
        if ((entry & LvtMasked) == 0 && (byte)entry >= 16)
        {
            FireLocal(ApicRegister.LvtError);
        }
    }

    private uint Lvt(ApicRegister register) => Volatile.Read(ref _lvt[register - ApicRegister.LvtTimer]);
}
