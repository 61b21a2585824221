namespace Vmm.Vmx;

/// <summary>Vectors of the architectural exceptions (SDM Vol. 3A 6.3.1, table 6-1).</summary>
public enum ExceptionVector : byte
{
    DivideError = 0,
    Debug = 1,
    Nmi = 2,
    Breakpoint = 3,
    Overflow = 4,
    BoundRangeExceeded = 5,
    InvalidOpcode = 6,
    DeviceNotAvailable = 7,
    DoubleFault = 8,
    CoprocessorSegmentOverrun = 9,
    InvalidTss = 10,
    SegmentNotPresent = 11,
    StackSegmentFault = 12,
    GeneralProtection = 13,
    PageFault = 14,
    X87FloatingPoint = 16,
    AlignmentCheck = 17,
    MachineCheck = 18,
    SimdFloatingPoint = 19,
    Virtualization = 20,
    ControlProtection = 21,
}

/// <summary>Facts about exception vectors.</summary>
public static class ExceptionVectorFacts
{
    // #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP (SDM Vol. 3A table 6-1)
    private const uint WithErrorCode = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17 | 1u << 21;

    private static readonly string[] Mnemonics =
    [
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "CSO", "#TS", "#NP", "#SS", "#GP", "#PF", "15",
        "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
    ];

    extension(ExceptionVector vector)
    {
        /// <summary>Whether the processor pushes an error code for the vector (in protected mode).</summary>
        public bool HasErrorCode => (byte)vector < 32 && (WithErrorCode >> (byte)vector & 1) != 0;

        /// <summary>The mnemonic: <c>#GP</c>.</summary>
        public string Mnemonic => (byte)vector < Mnemonics.Length ? Mnemonics[(byte)vector] : $"exception {(byte)vector}";
    }
}
