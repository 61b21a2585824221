namespace Vmm.Vmx;

/// <summary>Exit qualification of MOV DR (SDM Vol. 3C 28.2.1, table 28-4).</summary>
/// <param name="Value">The qualification.</param>
public readonly record struct DebugRegisterQualification(ulong Value)
{
    /// <summary>Encodes a MOV to or from a debug register.</summary>
    /// <param name="register">0 to 7.</param>
    /// <param name="isRead">MOV from DR.</param>
    /// <param name="generalRegister">Number of the general register.</param>
    public static DebugRegisterQualification Create(int register, bool isRead, int generalRegister)
        => new((uint)register & 7 | (isRead ? 1ul << 4 : 0) | ((ulong)generalRegister & 0xF) << 8);

    /// <summary>Number of the debug register.</summary>
    public int Register => (int)(Value & 7);

    /// <summary>MOV from DR.</summary>
    public bool IsRead => (Value & 1 << 4) != 0;

    /// <summary>Number of the general register.</summary>
    public int GeneralRegister => (int)(Value >> 8 & 0xF);

    public override string ToString() => IsRead
        ? $"MOV {GeneralRegisterNames.Of(GeneralRegister)}, DR{Register}"
        : $"MOV DR{Register}, {GeneralRegisterNames.Of(GeneralRegister)}";
}
