using Vmm.Sdk;

namespace Vmm.Plugins.AcpiPm;

/// <summary>Where the register blocks are. The FADT tells the guest the same.</summary>
public sealed class AcpiPmOptions
{
    /// <summary>PM1a_EVT_BLK, 4 ports.</summary>
    [OptionDescription("First port of the PM1 event block")]
    public ushort EventPort { get; init; } = 0x600;

    /// <summary>PM1a_CNT_BLK, 2 ports.</summary>
    [OptionDescription("First port of the PM1 control block")]
    public ushort ControlPort { get; init; } = 0x604;

    /// <summary>PM_TMR_BLK, 4 ports.</summary>
    [OptionDescription("First port of the power-management timer")]
    public ushort TimerPort { get; init; } = 0x608;

    /// <summary>GPE0_BLK, 4 ports.</summary>
    [OptionDescription("First port of general-purpose event block 0")]
    public ushort GpePort { get; init; } = 0x620;

    /// <summary>The system control interrupt.</summary>
    [OptionRange(0, 1023)]
    [OptionDescription("Interrupt line of the SCI")]
    public int Sci { get; init; } = 9;

    /// <summary>Width of the timer: TMR_VAL_EXT in the FADT says which.</summary>
    [OptionDescription("Whether the timer has 32 bits (on) or 24 (off)")]
    public bool WideTimer { get; init; } = true;
}
