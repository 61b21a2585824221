namespace Vmm.Engine.Software.FloatingPoint;

/// <summary>Exceptions of floating-point arithmetic, at their places in MXCSR and in the x87 status word.</summary>
[Flags]
internal enum FloatExceptions : byte
{
    None = 0,
    Invalid = 1 << 0,
    Denormal = 1 << 1,
    DivideByZero = 1 << 2,
    Overflow = 1 << 3,
    Underflow = 1 << 4,
    Precision = 1 << 5,
    All = 0x3F,
}

/// <summary>Rounding control, as encoded in MXCSR and the x87 control word.</summary>
internal enum RoundingMode : byte
{
    Nearest = 0,
    Down = 1,
    Up = 2,
    TowardZero = 3,
}

/// <summary>Under which rules an operation runs, and what it raised.</summary>
internal struct FloatEnvironment
{
    public RoundingMode Rounding;

    /// <summary>Exceptions that are masked: they only set flags.</summary>
    public FloatExceptions Masked;

    /// <summary>MXCSR.DAZ: denormal operands count as zeros.</summary>
    public bool DenormalsAreZero;

    /// <summary>MXCSR.FTZ: tiny results become zeros while underflow is masked.</summary>
    public bool FlushToZero;

    /// <summary>What operations raised so far.</summary>
    public FloatExceptions Raised;

    /// <summary>What earlier stages of the instruction raised, all of it masked.</summary>
    public FloatExceptions RaisedBefore;

    /// <summary>Ends a stage of an instruction that does several operations in turn; false: an unmasked exception ends it here.</summary>
    public bool CompleteStage()
    {
        if ((Raised & ~Masked) != 0)
        {
            return false;
        }

        RaisedBefore |= Raised;
        Raised = 0;
        return true;
    }

    /// <summary>The environment that MXCSR describes (SDM Vol. 1 10.2.3).</summary>
    public static FloatEnvironment FromMxcsr(uint mxcsr) => new()
    {
        Rounding = (RoundingMode)((mxcsr >> 13) & 3),
        Masked = (FloatExceptions)((mxcsr >> 7) & 0x3F),
        DenormalsAreZero = (mxcsr & (1 << 6)) != 0,
        FlushToZero = (mxcsr & (1 << 15)) != 0,
    };
}
