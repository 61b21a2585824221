namespace Vmm.Kernel;

/// <summary>The model-specific registers of one processor that exit and that the kernel itself owns.</summary>
internal sealed class MsrFile(VirtualProcessor processor)
{
    // Eight variable-range pairs, fixed ranges, write-combining (SDM Vol. 3A 12.11.1).
    private const ulong MtrrCapabilities = 8 | (1 << 8) | (1 << 10);
    private const uint LastVariableMtrr = Msr.Ia32MtrrPhysBase0 + 15;
    private const ulong FastStrings = 1;

    private readonly ulong[] _variableMtrrs = new ulong[16];
    private readonly ulong[] _fixedMtrrs = new ulong[11];
    private ulong _mtrrDefaultType;
    private ulong _timestampAdjust;

    /// <summary>Whether a register is the local APIC's.</summary>
    public static bool IsOfApic(uint index) => index is Msr.Ia32ApicBase or Msr.Ia32TscDeadline or >= Msr.X2ApicFirst and <= Msr.X2ApicLast;

    /// <summary>What the kernel owns, for the check against handlers' ranges.</summary>
    public static IReadOnlyList<MsrRange> KernelRanges { get; } =
    [
        new("time-stamp counter", Msr.Ia32TimeStampCounter, Msr.Ia32TimeStampCounter),
        new("APIC base", Msr.Ia32ApicBase, Msr.Ia32ApicBase),
        new("time-stamp counter adjustment", Msr.Ia32TscAdjust, Msr.Ia32TscAdjust),
        new("MTRR capabilities", Msr.Ia32Mtrrcap, Msr.Ia32Mtrrcap),
        new("variable MTRRs", Msr.Ia32MtrrPhysBase0, LastVariableMtrr),
        new("fixed MTRRs", Msr.Ia32MtrrFix64K00000, Msr.Ia32MtrrFix4KF8000),
        new("MTRR default type", Msr.Ia32MtrrDefType, Msr.Ia32MtrrDefType),
        new("TSC deadline", Msr.Ia32TscDeadline, Msr.Ia32TscDeadline),
        new("x2APIC", Msr.X2ApicFirst, Msr.X2ApicLast),
    ];

    /// <summary>State after reset.</summary>
    public void Reset()
    {
        Array.Clear(_variableMtrrs);
        Array.Clear(_fixedMtrrs);
        _mtrrDefaultType = 0;
        _timestampAdjust = 0;
    }

    /// <summary>Registers that are state of their own; the others show state of the APIC, the clock or the VMCS.</summary>
    private static IEnumerable<uint> Saved =>
    [
        Msr.Ia32MtrrDefType, Msr.Ia32MtrrFix64K00000, Msr.Ia32MtrrFix16K80000, Msr.Ia32MtrrFix16KA0000,
        .. Enumerable.Range(0, 8).Select(n => Msr.Ia32MtrrFix4KC0000 + (uint)n), .. Enumerable.Range(0, 16).Select(n => Msr.Ia32MtrrPhysBase0 + (uint)n),
    ];

    /// <summary>Adds the kernel's registers to the engine's.</summary>
    public void Save(Dictionary<uint, ulong> registers)
    {
        registers[Msr.Ia32TscAdjust] = _timestampAdjust;
        foreach (uint index in Saved)
        {
            TryRead(index, out ulong value);
            registers[index] = value;
        }
    }

    /// <summary>Takes the kernel's registers.</summary>
    /// <exception cref="StateException">A value is one that no guest could have written.</exception>
    public void Restore(IReadOnlyDictionary<uint, ulong> registers)
    {
        Reset();
        _timestampAdjust = registers.GetValueOrDefault(Msr.Ia32TscAdjust);
        foreach (uint index in Saved)
        {
            if (registers.TryGetValue(index, out ulong value) && !TryWrite(index, value))
            {
                throw new StateException($"MSR 0x{index:x} cannot have the value 0x{value:x}.");
            }
        }
    }

    /// <summary>Reads a register.</summary>
    /// <returns>False for a general-protection fault.</returns>
    public bool TryRead(uint index, out ulong value)
    {
        value = 0;
        if (IsWithEngine(index))
        {
            return false;
        }

        switch (index)
        {
            case >= Msr.X2ApicFirst and <= Msr.X2ApicLast:
                return processor.Apic.TryReadMsr(index, out value);
            case Msr.Ia32TscDeadline:
                value = processor.Apic.Timer.Deadline;
                return true;
            case Msr.Ia32ApicBase:
                value = processor.Apic.Base;
                return true;
            case Msr.Ia32TimeStampCounter:
                value = processor.TimestampCounter;
                return true;
            case Msr.Ia32TscAdjust:
                value = _timestampAdjust;
                return true;
            case Msr.Ia32Mtrrcap:
                value = MtrrCapabilities;
                return true;
            case Msr.Ia32MtrrDefType:
                value = _mtrrDefaultType;
                return true;
            case >= Msr.Ia32MtrrPhysBase0 and <= LastVariableMtrr:
                value = _variableMtrrs[index - Msr.Ia32MtrrPhysBase0];
                return true;
            case Msr.Ia32Debugctl:
                value = processor.Vmcs[VmcsField.GuestIa32Debugctl];
                return true;
            case Msr.Ia32MiscEnable:
                value = FastStrings;
                return true;
            case Msr.Ia32PlatformId or Msr.Ia32BiosSignId or Msr.Ia32McgCap or Msr.Ia32McgStatus or Msr.Ia32P5McAddr or Msr.Ia32P5McType:
                return true;
            default:
                if (FixedMtrr(index) is { } fixedMtrr)
                {
                    value = _fixedMtrrs[fixedMtrr];
                    return true;
                }

                return false;
        }
    }

    /// <summary>Writes a register.</summary>
    /// <returns>False for a general-protection fault.</returns>
    public bool TryWrite(uint index, ulong value)
    {
        if (IsWithEngine(index))
        {
            return false;
        }

        switch (index)
        {
            case >= Msr.X2ApicFirst and <= Msr.X2ApicLast:
                return processor.Apic.TryWriteMsr(index, value);
            case Msr.Ia32TscDeadline:
                processor.Apic.Timer.Deadline = value;
                return true;
            case Msr.Ia32ApicBase:
                return processor.Apic.TrySetBase(value, processor.Machine.Engine.Capabilities.PhysicalAddressBits);
            case Msr.Ia32TimeStampCounter:
                // A write moves IA32_TSC_ADJUST by the same amount (SDM Vol. 3B 18.17.3).
                ulong change = value - processor.TimestampCounter;
                _timestampAdjust += change;
                processor.TimestampOffset += change;
                processor.TimestampWritten();
                return true;
            case Msr.Ia32TscAdjust:
                processor.TimestampOffset += value - _timestampAdjust;
                _timestampAdjust = value;
                processor.TimestampWritten();
                return true;
            case Msr.Ia32MtrrDefType:
                return (value & ~0xCFFUL) == 0 && IsMemoryType((byte)value) && Store(ref _mtrrDefaultType, value);
            case >= Msr.Ia32MtrrPhysBase0 and <= LastVariableMtrr:
                bool isBase = (index & 1) == 0;
                return (!isBase || IsMemoryType((byte)value)) && Store(ref _variableMtrrs[index - Msr.Ia32MtrrPhysBase0], value);
            case Msr.Ia32Debugctl:
                // Bits that nothing implements read back as zero; LBR and BTF are stored.
                processor.Vmcs[VmcsField.GuestIa32Debugctl] = value & 3;
                return true;
            case Msr.Ia32MiscEnable or Msr.Ia32BiosSignId or Msr.Ia32BiosUpdateTrigger or Msr.Ia32McgStatus:
                return true;
            default:
                if (FixedMtrr(index) is { } fixedMtrr)
                {
                    _fixedMtrrs[fixedMtrr] = value;
                    return true;
                }

                return false;
        }
    }

    // The engine has the register and has refused the access.
    private bool IsWithEngine(uint index) => processor.IsApicWithEngine && IsOfApic(index);

    private static int? FixedMtrr(uint index) => index switch
    {
        Msr.Ia32MtrrFix64K00000 => 0,
        Msr.Ia32MtrrFix16K80000 => 1,
        Msr.Ia32MtrrFix16KA0000 => 2,
        >= Msr.Ia32MtrrFix4KC0000 and <= Msr.Ia32MtrrFix4KF8000 => 3 + (int)(index - Msr.Ia32MtrrFix4KC0000),
        _ => null,
    };

    private static bool Store(ref ulong register, ulong value)
    {
        register = value;
        return true;
    }

    private static bool IsMemoryType(byte type) => type is 0 or 1 or 4 or 5 or 6;
}
