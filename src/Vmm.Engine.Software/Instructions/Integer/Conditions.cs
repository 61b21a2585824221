using System.Runtime.CompilerServices;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>A condition of Jcc, SETcc and CMOVcc (SDM Vol. 1 appendix B).</summary>
internal unsafe interface ICondition
{
    static abstract bool Holds(CpuState* s);
}

internal unsafe struct OverflowSet : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => ArithmeticFlags.OverflowFlag(s);
}

internal unsafe struct Below : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => ArithmeticFlags.CarryFlag(s);
}

internal unsafe struct Equal : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => ArithmeticFlags.ZeroFlag(s);
}

internal unsafe struct BelowOrEqual : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => ArithmeticFlags.CarryFlag(s) || ArithmeticFlags.ZeroFlag(s);
}

internal unsafe struct SignSet : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => ArithmeticFlags.SignFlag(s);
}

internal unsafe struct ParityEven : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => ArithmeticFlags.ParityFlag(s);
}

internal unsafe struct Less : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => ArithmeticFlags.SignFlag(s) != ArithmeticFlags.OverflowFlag(s);
}

internal unsafe struct LessOrEqual : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => ArithmeticFlags.ZeroFlag(s) || Less.Holds(s);
}

/// <summary>The odd encodings negate the even ones.</summary>
internal unsafe struct Negated<T> : ICondition where T : struct, ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => !T.Holds(s);
}
