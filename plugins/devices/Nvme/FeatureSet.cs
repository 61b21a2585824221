using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>Feature identifiers (NVMe 1.4, figure 271).</summary>
internal enum Feature : byte
{
    Arbitration = 0x01,
    PowerManagement = 0x02,
    TemperatureThreshold = 0x04,
    ErrorRecovery = 0x05,
    VolatileWriteCache = 0x06,
    NumberOfQueues = 0x07,
    InterruptCoalescing = 0x08,
    InterruptVectorConfiguration = 0x09,
    WriteAtomicity = 0x0a,
    AsynchronousEventConfiguration = 0x0b,
}

/// <summary>The values behind Get Features and Set Features (NVMe 1.4, 5.21.1).</summary>
internal sealed class FeatureSet(int queues)
{
    public const ushort DefaultTemperatureThreshold = 343;

    private const uint SmartEvents = 0xff;
    private const uint TemperatureEvent = 1 << 1;
    private const uint CoalescingDisabled = 1 << 16;

    private readonly bool[] _coalescingDisabled = new bool[queues + 1];
    private uint _arbitration;
    private uint _errorRecovery;
    private uint _coalescing;
    private uint _writeAtomicity;
    private uint _events;
    private ushort _over = DefaultTemperatureThreshold;
    private ushort _under;

    /// <summary>Whether writes may stay in the cache until a flush.</summary>
    public bool WriteCacheEnabled { get; private set; } = true;

    public bool TemperatureOutOfRange => HealthLog.Temperature >= _over || HealthLog.Temperature <= _under;

    public bool TemperatureEventEnabled => (_events & TemperatureEvent) != 0;

    public void Reset()
    {
        Array.Clear(_coalescingDisabled);
        _arbitration = _errorRecovery = _coalescing = _writeAtomicity = _events = 0;
        _over = DefaultTemperatureThreshold;
        _under = 0;
        WriteCacheEnabled = true;
    }

    public NvmeStatus Get(Feature feature, uint dword11, uint namespaceId, out uint value)
    {
        value = 0;
        switch (feature)
        {
            case Feature.Arbitration:
                value = _arbitration;
                return NvmeStatus.Success;
            case Feature.PowerManagement:
                return NvmeStatus.Success;
            case Feature.TemperatureThreshold:
                return Threshold(dword11, out bool under) is var status && status == NvmeStatus.Success
                    ? Value(under ? _under : _over, out value)
                    : status;
            case Feature.ErrorRecovery:
                value = _errorRecovery;
                return IsNamespace(namespaceId) ? NvmeStatus.Success : NvmeStatus.InvalidNamespaceOrFormat;
            case Feature.VolatileWriteCache:
                return Value(WriteCacheEnabled ? 1u : 0, out value);
            case Feature.NumberOfQueues:
                return Value(AllocatedQueues, out value);
            case Feature.InterruptCoalescing:
                return Value(_coalescing, out value);
            case Feature.InterruptVectorConfiguration:
                uint vector = dword11 & 0xffff;
                return vector < _coalescingDisabled.Length
                    ? Value(vector | (_coalescingDisabled[vector] ? CoalescingDisabled : 0), out value)
                    : NvmeStatus.InvalidField;
            case Feature.WriteAtomicity:
                return Value(_writeAtomicity, out value);
            case Feature.AsynchronousEventConfiguration:
                return Value(_events, out value);
            default:
                return NvmeStatus.InvalidField;
        }
    }

    public NvmeStatus Set(Feature feature, uint dword11, uint namespaceId, bool hasIoQueues, out uint result)
    {
        result = 0;
        switch (feature)
        {
            case Feature.Arbitration:
                _arbitration = dword11 & 0xffff_ff07;
                return NvmeStatus.Success;
            case Feature.PowerManagement:
                // There is one power state.
                return (dword11 & 0x1f) == 0 ? NvmeStatus.Success : NvmeStatus.InvalidField;
            case Feature.TemperatureThreshold:
                return SetThreshold(dword11);
            case Feature.ErrorRecovery:
                return SetErrorRecovery(dword11, namespaceId);
            case Feature.VolatileWriteCache:
                WriteCacheEnabled = (dword11 & 1) != 0;
                return NvmeStatus.Success;
            case Feature.NumberOfQueues:
                return SetNumberOfQueues(dword11, hasIoQueues, out result);
            case Feature.InterruptCoalescing:
                _coalescing = dword11 & 0xffff;
                return NvmeStatus.Success;
            case Feature.InterruptVectorConfiguration:
                return SetVectorConfiguration(dword11);
            case Feature.WriteAtomicity:
                _writeAtomicity = dword11 & 1;
                return NvmeStatus.Success;
            case Feature.AsynchronousEventConfiguration:
                _events = dword11 & SmartEvents;
                return NvmeStatus.Success;
            default:
                return NvmeStatus.InvalidField;
        }
    }

    public void Save(IStateWriter state)
    {
        state.UInt32(1, _arbitration);
        state.UInt32(2, _errorRecovery);
        state.UInt32(3, _coalescing);
        state.UInt32(4, _writeAtomicity);
        state.UInt32(5, _events);
        state.UInt16(6, _over);
        state.UInt16(7, _under);
        state.UInt8(8, WriteCacheEnabled ? (byte)1 : (byte)0);
        state.Bytes(9, [.. _coalescingDisabled.Select(disabled => disabled ? (byte)1 : (byte)0)]);
    }

    public void Restore(IStateReader state)
    {
        Reset();
        _arbitration = state.UInt32(1);
        _errorRecovery = state.UInt32(2);
        _coalescing = state.UInt32(3);
        _writeAtomicity = state.UInt32(4);
        _events = state.UInt32(5) & SmartEvents;
        _over = state.UInt16(6, DefaultTemperatureThreshold);
        _under = state.UInt16(7);
        WriteCacheEnabled = state.UInt8(8, 1) != 0;
        byte[] disabled = new byte[_coalescingDisabled.Length];
        if (state.Bytes(9, disabled))
        {
            for (int i = 0; i < disabled.Length; i++)
            {
                _coalescingDisabled[i] = disabled[i] != 0;
            }
        }
    }

    /// <summary>NSQA and NCQA, both 0-based.</summary>
    private uint AllocatedQueues => (uint)(queues - 1) | ((uint)(queues - 1) << 16);

    private static bool IsNamespace(uint namespaceId) => namespaceId is IdentifyData.OnlyNamespace or uint.MaxValue;

    private static NvmeStatus Value(uint value, out uint result)
    {
        result = value;
        return NvmeStatus.Success;
    }

    /// <summary>TMPSEL 0 is the composite temperature, the only sensor; THSEL 0 the upper, 1 the lower threshold.</summary>
    private static NvmeStatus Threshold(uint dword11, out bool under)
    {
        uint sensor = (dword11 >> 16) & 0xf, kind = (dword11 >> 20) & 3;
        under = kind == 1;
        return sensor == 0 && kind <= 1 ? NvmeStatus.Success : NvmeStatus.InvalidField;
    }

    private NvmeStatus SetThreshold(uint dword11)
    {
        // TMPSEL 0xF sets all sensors, of which there is one.
        uint single = ((dword11 >> 16) & 0xf) == 0xf ? dword11 & ~0x000f_0000u : dword11;
        var status = Threshold(single, out bool under);
        if (status == NvmeStatus.Success)
        {
            (under ? ref _under : ref _over) = (ushort)dword11;
        }

        return status;
    }

    private NvmeStatus SetErrorRecovery(uint dword11, uint namespaceId)
    {
        const uint DeallocatedBlockErrors = 1 << 16;
        if (!IsNamespace(namespaceId))
        {
            return NvmeStatus.InvalidNamespaceOrFormat;
        }

        if ((dword11 & DeallocatedBlockErrors) != 0)
        {
            return NvmeStatus.InvalidField;
        }

        _errorRecovery = dword11 & 0xffff;
        return NvmeStatus.Success;
    }

    private NvmeStatus SetNumberOfQueues(uint dword11, bool hasIoQueues, out uint result)
    {
        result = 0;
        if ((dword11 & 0xffff) == 0xffff || dword11 >> 16 == 0xffff)
        {
            return NvmeStatus.InvalidField;
        }

        if (hasIoQueues)
        {
            return NvmeStatus.CommandSequenceError;
        }

        result = AllocatedQueues;
        return NvmeStatus.Success;
    }

    private NvmeStatus SetVectorConfiguration(uint dword11)
    {
        uint vector = dword11 & 0xffff;
        if (vector >= _coalescingDisabled.Length)
        {
            return NvmeStatus.InvalidField;
        }

        _coalescingDisabled[vector] = (dword11 & CoalescingDisabled) != 0;
        return NvmeStatus.Success;
    }
}
