using System.Runtime.CompilerServices;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// The arithmetic flags between translated blocks: what LAHF (bits 15:8) and SETO AL (bits 7:0) leave in AX. The
/// interpreter has a form of its own; this is the way between the two.
/// </summary>
internal static unsafe class FlagImage
{
    private const ulong InAh = 0xD5;

    /// <summary>Brings the interpreter's form up to date.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(CpuState* s, ulong image) =>
        ArithmeticFlags.Write(s, (image >> 8 & InAh) | (image & 1) << 11);

    /// <summary>The image of the interpreter's form.</summary>
    public static ulong Create(CpuState* s)
    {
        ulong flags = ArithmeticFlags.Read(s);
        return (flags & InAh) << 8 | flags >> 11 & 1;
    }
}
