namespace Vmm.Engine.Software.Translate;

/// <summary>General registers of the host, in encoding order.</summary>
internal enum HostRegister
{
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,

    /// <summary>No base or index.</summary>
    None = -1,
}

/// <summary>Conditions of Jcc, SETcc and CMOVcc, in encoding order (SDM Vol. 2 appendix B.1.4.7).</summary>
internal enum HostCondition
{
    Overflow,
    NotOverflow,
    Below,
    AboveOrEqual,
    Equal,
    NotEqual,
    BelowOrEqual,
    Above,
    Sign,
    NotSign,
    Parity,
    NotParity,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Greater,
}
