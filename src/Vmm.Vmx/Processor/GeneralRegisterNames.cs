namespace Vmm.Vmx;

/// <summary>Names of the general registers, in the order of their encoding.</summary>
public static class GeneralRegisterNames
{
    private static readonly string[] Names =
        ["RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"];

    /// <summary>The name of a general register, 0 to 15.</summary>
    public static string Of(int number) => Names[number & 0xF];
}
