using Iced.Intel;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// Where guest general registers are while translated code runs. Twelve have a host register of their own, most of them
/// their namesake; four stay in the state. RAX and R11 are free for translations, RBP points to the state, RSP stays the host's.
/// </summary>
internal static class RegisterMap
{
    /// <summary>Free for translations; what implicit operands (MUL, CMPXCHG) and LAHF use.</summary>
    public const HostRegister Scratch = HostRegister.Rax;

    /// <summary>Free for translations; holds addresses.</summary>
    public const HostRegister Address = HostRegister.R11;

    private static readonly HostRegister[] Hosts =
    [
        HostRegister.R10, // RAX
        HostRegister.Rcx,
        HostRegister.Rdx,
        HostRegister.Rbx,
        HostRegister.R15, // RSP
        HostRegister.R14, // RBP
        HostRegister.Rsi,
        HostRegister.Rdi,
        HostRegister.R8,
        HostRegister.R9,
        HostRegister.None, // R10
        HostRegister.None, // R11
        HostRegister.R12,
        HostRegister.R13,
        HostRegister.None, // R14
        HostRegister.None, // R15
    ];

    public const int Rax = 0;
    public const int Rdx = 2;
    public const int Rsp = 4;
    public const int Rbp = 5;

    /// <summary>Number of guest general registers.</summary>
    public const int Count = 16;

    /// <summary>The host register of a guest register, or none.</summary>
    public static HostRegister Of(int guest) => Hosts[guest];

    /// <summary>Number of a guest register; -1 for all but general registers, and for AH, CH, DH and BH.</summary>
    public static int Number(Register register) => register switch
    {
        >= Register.RAX and <= Register.R15 => register - Register.RAX,
        >= Register.EAX and <= Register.R15D => register - Register.EAX,
        >= Register.AX and <= Register.R15W => register - Register.AX,
        >= Register.AL and <= Register.BL => register - Register.AL,
        >= Register.SPL and <= Register.R15L => register - Register.SPL + 4,
        _ => -1,
    };

    /// <summary>Whether it is AH, CH, DH or BH.</summary>
    public static bool IsHighByte(Register register) => register is >= Register.AH and <= Register.BH;

    /// <summary>The guest register that AH, CH, DH or BH is part of.</summary>
    public static int NumberOfHighByte(Register register) => register - Register.AH;

    /// <summary>A host register under the name that Iced has for it, in the size of <paramref name="like"/>.</summary>
    public static Register Name(HostRegister host, Register like)
    {
        int n = (int)host;
        return like switch
        {
            >= Register.RAX and <= Register.R15 => Register.RAX + n,
            >= Register.EAX and <= Register.R15D => Register.EAX + n,
            >= Register.AX and <= Register.R15W => Register.AX + n,
            _ => n < 4 ? Register.AL + n : Register.SPL + (n - 4),
        };
    }
}
