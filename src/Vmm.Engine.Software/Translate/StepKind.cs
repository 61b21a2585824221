namespace Vmm.Engine.Software.Translate;

/// <summary>How one guest instruction is translated.</summary>
internal enum StepKind : byte
{
    /// <summary>By the interpreter.</summary>
    Interpret,

    /// <summary>As itself, with other operands.</summary>
    PassThrough,

    /// <summary>Not at all.</summary>
    Nothing,

    Push,
    Pop,
    Leave,

    /// <summary>MUL and IMUL with one operand.</summary>
    Multiply,

    /// <summary>DIV and IDIV.</summary>
    Divide,

    /// <summary>CWDE, CDQE, CDQ, CQO.</summary>
    SignExtend,
    CompareExchange,
    PushMemory,
    PushFlags,
    PopStackPointer,
    SwapGs,

    /// <summary>FLDCW.</summary>
    LoadX87Control,

    /// <summary>FNSTSW AX.</summary>
    StoreX87StatusInAx,

    /// <summary>FWAIT: no exception is pending while x87 state is in the host's.</summary>
    WaitForX87,

    /// <summary>STAC.</summary>
    AllowAccess,

    /// <summary>CLAC.</summary>
    PreventAccess,
    MoveString,
    StoreString,

    // Ends of blocks.
    ConditionalJump,
    Jump,
    Call,
    IndirectJump,
    IndirectCall,
    Return,
    IndirectCallByMemory,

    /// <summary>CLI.</summary>
    DisableInterrupts,

    /// <summary>STI, with the NOP in its shadow, which the step is of.</summary>
    EnableInterrupts,

    /// <summary>SYSCALL.</summary>
    SystemCall,

    /// <summary>SYSRET to 64-bit code.</summary>
    SystemReturn,

    /// <summary>By the interpreter, which goes on elsewhere.</summary>
    InterpretedEnd,
}
