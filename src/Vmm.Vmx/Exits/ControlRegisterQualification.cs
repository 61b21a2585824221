namespace Vmm.Vmx;

/// <summary>Exit qualification of control-register accesses (SDM Vol. 3C 28.2.1, table 28-3).</summary>
/// <param name="Value">The qualification.</param>
public readonly record struct ControlRegisterQualification(ulong Value)
{
    /// <summary>Encodes MOV to CR.</summary>
    /// <param name="register">0, 3, 4 or 8.</param>
    /// <param name="source">Number of the general register.</param>
    public static ControlRegisterQualification MovTo(int register, int source) => Create(register, ControlRegisterAccess.MovToCr, source);

    /// <summary>Encodes MOV from CR.</summary>
    /// <param name="register">3 or 8.</param>
    /// <param name="destination">Number of the general register.</param>
    public static ControlRegisterQualification MovFrom(int register, int destination) => Create(register, ControlRegisterAccess.MovFromCr, destination);

    /// <summary>CLTS.</summary>
    public static ControlRegisterQualification Clts => Create(0, ControlRegisterAccess.Clts, 0);

    /// <summary>Encodes LMSW.</summary>
    /// <param name="source">The 16-bit operand.</param>
    /// <param name="fromMemory">The operand was in memory.</param>
    public static ControlRegisterQualification Lmsw(ushort source, bool fromMemory)
        => new((ulong)ControlRegisterAccess.Lmsw << 4 | (fromMemory ? 1ul << 6 : 0) | (ulong)source << 16);

    private static ControlRegisterQualification Create(int register, ControlRegisterAccess access, int generalRegister)
        => new((uint)register & 0xF | (ulong)access << 4 | ((ulong)generalRegister & 0xF) << 8);

    /// <summary>Number of the control register; 0 for CLTS and LMSW.</summary>
    public int Register => (int)(Value & 0xF);

    /// <summary>Kind of access.</summary>
    public ControlRegisterAccess Access => (ControlRegisterAccess)(Value >> 4 & 3);

    /// <summary>LMSW: the operand was in memory.</summary>
    public bool LmswFromMemory => (Value & 1 << 6) != 0;

    /// <summary>MOV: number of the general register.</summary>
    public int GeneralRegister => (int)(Value >> 8 & 0xF);

    /// <summary>LMSW: the operand.</summary>
    public ushort LmswSource => (ushort)(Value >> 16);

    public override string ToString() => Access switch
    {
        ControlRegisterAccess.MovToCr => $"MOV CR{Register}, {GeneralRegisterNames.Of(GeneralRegister)}",
        ControlRegisterAccess.MovFromCr => $"MOV {GeneralRegisterNames.Of(GeneralRegister)}, CR{Register}",
        ControlRegisterAccess.Clts => "CLTS",
        _ => $"LMSW 0x{LmswSource:X4}",
    };
}

/// <summary>Kinds of control-register access.</summary>
public enum ControlRegisterAccess
{
    MovToCr = 0,
    MovFromCr = 1,
    Clts = 2,
    Lmsw = 3,
}
