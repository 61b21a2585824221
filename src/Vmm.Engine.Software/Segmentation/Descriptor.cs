using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>A segment or gate descriptor of 8 bytes, or the lower half of one of 16 (SDM Vol. 3A 3.4.5, 5.8.3, 7.2.3).</summary>
internal readonly record struct Descriptor(ulong Value)
{
    public int Type => (int)(Value >> 40) & 15;

    /// <summary>S: code or data instead of system.</summary>
    public bool IsCodeOrData => (Value & (1UL << 44)) != 0;

    public int Dpl => (int)(Value >> 45) & 3;

    public bool IsPresent => (Value & (1UL << 47)) != 0;

    public bool IsCode => IsCodeOrData && (Type & 8) != 0;

    public bool IsData => IsCodeOrData && (Type & 8) == 0;

    public bool IsConforming => (Type & 4) != 0;

    public bool IsReadableCode => IsCode && (Type & 2) != 0;

    public bool IsWritableData => IsData && (Type & 2) != 0;

    public bool IsLong => (Value & (1UL << 53)) != 0;

    public bool IsBig => (Value & (1UL << 54)) != 0;

    public uint Base => (uint)(Value >> 16) & 0xFF_FFFF | (uint)(Value >> 56) << 24;

    /// <summary>Limit in bytes.</summary>
    public uint Limit
    {
        get
        {
            uint limit = (uint)(Value & 0xFFFF) | (uint)(Value >> 32) & 0xF_0000;
            return (Value & (1UL << 55)) != 0 ? limit << 12 | 0xFFF : limit;
        }
    }

    public uint AccessRights => (uint)(Value >> 40) & 0xF0FF;

    /// <summary>System descriptor of a given type.</summary>
    public bool IsSystem(int type) => !IsCodeOrData && Type == type;

    // Gates.
    public ushort GateSelector => (ushort)(Value >> 16);

    public uint GateOffset => (uint)(Value & 0xFFFF) | (uint)(Value >> 32) & 0xFFFF_0000;

    public int GateParameterCount => (int)(Value >> 32) & 31;

    public int GateStackTable => (int)(Value >> 32) & 7;

    public SegmentCache ToSegment(ushort selector) => new()
    {
        Selector = selector,
        Base = Base,
        Limit = Limit,
        AccessRights = AccessRights,
    };
}

/// <summary>Types of system descriptors (SDM Vol. 3A table 3-2).</summary>
internal static class SystemDescriptorType
{
    public const int AvailableTss16 = 1;
    public const int Ldt = 2;
    public const int BusyTss16 = 3;
    public const int CallGate16 = 4;
    public const int TaskGate = 5;
    public const int InterruptGate16 = 6;
    public const int TrapGate16 = 7;
    public const int AvailableTss = 9;
    public const int BusyTss = 11;
    public const int CallGate = 12;
    public const int InterruptGate = 14;
    public const int TrapGate = 15;
}
