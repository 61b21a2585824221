using System.Runtime.CompilerServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>
/// CMP or TEST of registers and immediates together with the Jcc that follows: one step, whose condition comes from the
/// operands and not from the flags (which are set all the same). Nothing in it can fault. The target is the
/// displacement, which these forms have no other use for, and the way on is the address mask.
/// </summary>
internal static unsafe class FusedBranches
{
    private const int ConditionCount = 16;

    /// <summary>The handler of a pair, or null when there is none.</summary>
    public static delegate*<CpuState*, Instruction*, Outcome> Find(Code first, Code branch)
    {
        int condition = Condition(branch);
        return condition < 0 ? null : first switch
        {
            Code.Cmp_rm8_r8 or Code.Cmp_r8_rm8 => Compare<byte, FromRegisters>(condition),
            Code.Cmp_rm16_r16 or Code.Cmp_r16_rm16 => Compare<ushort, FromRegisters>(condition),
            Code.Cmp_rm32_r32 or Code.Cmp_r32_rm32 => Compare<uint, FromRegisters>(condition),
            Code.Cmp_rm64_r64 or Code.Cmp_r64_rm64 => Compare<ulong, FromRegisters>(condition),
            Code.Cmp_rm8_imm8 or Code.Cmp_AL_imm8 => Compare<byte, FromImmediate>(condition),
            Code.Cmp_rm16_imm8 or Code.Cmp_rm16_imm16 or Code.Cmp_AX_imm16 => Compare<ushort, FromImmediate>(condition),
            Code.Cmp_rm32_imm8 or Code.Cmp_rm32_imm32 or Code.Cmp_EAX_imm32 => Compare<uint, FromImmediate>(condition),
            Code.Cmp_rm64_imm8 or Code.Cmp_rm64_imm32 or Code.Cmp_RAX_imm32 => Compare<ulong, FromImmediate>(condition),
            Code.Test_rm8_r8 => Test<byte, FromRegisters>(condition),
            Code.Test_rm16_r16 => Test<ushort, FromRegisters>(condition),
            Code.Test_rm32_r32 => Test<uint, FromRegisters>(condition),
            Code.Test_rm64_r64 => Test<ulong, FromRegisters>(condition),
            Code.Test_rm8_imm8 or Code.Test_AL_imm8 => Test<byte, FromImmediate>(condition),
            Code.Test_rm32_imm32 or Code.Test_EAX_imm32 => Test<uint, FromImmediate>(condition),
            Code.Test_rm64_imm32 or Code.Test_RAX_imm32 => Test<ulong, FromImmediate>(condition),
            _ => null,
        };
    }

    // Iced numbers conditions in the order of their encoding, three sizes each.
    private static int Condition(Code branch)
    {
        int near = (branch - Code.Jo_rel8_16) / 3;
        int far = (branch - Code.Jo_rel16) / 3;
        return branch >= Code.Jo_rel8_16 && near < ConditionCount ? near : branch >= Code.Jo_rel16 && far < ConditionCount ? far : -1;
    }

    private static delegate*<CpuState*, Instruction*, Outcome> Compare<T, TOperands>(int condition)
        where T : unmanaged
        where TOperands : struct, IOperandPair => condition switch
    {
        2 => &Run<Subtract, T, TOperands, IsBelow>,
        3 => &Run<Subtract, T, TOperands, Not<IsBelow>>,
        4 => &Run<Subtract, T, TOperands, IsEqual>,
        5 => &Run<Subtract, T, TOperands, Not<IsEqual>>,
        6 => &Run<Subtract, T, TOperands, Not<IsAbove>>,
        7 => &Run<Subtract, T, TOperands, IsAbove>,
        8 => &Run<Subtract, T, TOperands, DifferenceIsNegative>,
        9 => &Run<Subtract, T, TOperands, Not<DifferenceIsNegative>>,
        12 => &Run<Subtract, T, TOperands, IsLess>,
        13 => &Run<Subtract, T, TOperands, Not<IsLess>>,
        14 => &Run<Subtract, T, TOperands, Not<IsGreater>>,
        15 => &Run<Subtract, T, TOperands, IsGreater>,
        _ => null,
    };

    private static delegate*<CpuState*, Instruction*, Outcome> Test<T, TOperands>(int condition)
        where T : unmanaged
        where TOperands : struct, IOperandPair => condition switch
    {
        4 or 6 => &Run<And, T, TOperands, HasNoCommonBit>,
        5 or 7 => &Run<And, T, TOperands, Not<HasNoCommonBit>>,
        8 or 12 => &Run<And, T, TOperands, SharesSign>,
        9 or 13 => &Run<And, T, TOperands, Not<SharesSign>>,
        _ => null,
    };

    private static Outcome Run<TOperation, T, TOperands, TRelation>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
        where TOperands : struct, IOperandPair
        where TRelation : struct, IRelation
    {
        ulong a = Width.ReadRegister<T>(s, i->Destination);
        ulong b = TOperands.Second<T>(s, i);
        TOperation.Apply(s, Width.Bits<T>(), a, b);
        s->Rip = TRelation.Holds<T>(a, b) ? i->Displacement : i->AddressMask;
        return Outcome.Branch;
    }

    private interface IOperandPair
    {
        static abstract ulong Second<T>(CpuState* s, Instruction* i) where T : unmanaged;
    }

    private struct FromRegisters : IOperandPair
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Second<T>(CpuState* s, Instruction* i) where T : unmanaged => Width.ReadRegister<T>(s, i->Source);
    }

    private struct FromImmediate : IOperandPair
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Second<T>(CpuState* s, Instruction* i) where T : unmanaged => Width.Truncate<T>(i->Immediate);
    }

    /// <summary>A relation of two operands, both zero-extended.</summary>
    private interface IRelation
    {
        static abstract bool Holds<T>(ulong a, ulong b) where T : unmanaged;
    }

    private struct IsEqual : IRelation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static bool Holds<T>(ulong a, ulong b) where T : unmanaged => a == b;
    }

    private struct IsBelow : IRelation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static bool Holds<T>(ulong a, ulong b) where T : unmanaged => a < b;
    }

    private struct IsAbove : IRelation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static bool Holds<T>(ulong a, ulong b) where T : unmanaged => a > b;
    }

    private struct IsLess : IRelation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static bool Holds<T>(ulong a, ulong b) where T : unmanaged => (long)Width.SignExtend<T>(a) < (long)Width.SignExtend<T>(b);
    }

    private struct IsGreater : IRelation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static bool Holds<T>(ulong a, ulong b) where T : unmanaged => (long)Width.SignExtend<T>(a) > (long)Width.SignExtend<T>(b);
    }

    private struct DifferenceIsNegative : IRelation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static bool Holds<T>(ulong a, ulong b) where T : unmanaged => (long)Width.SignExtend<T>(a - b) < 0;
    }

    private struct HasNoCommonBit : IRelation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static bool Holds<T>(ulong a, ulong b) where T : unmanaged => (a & b) == 0;
    }

    private struct SharesSign : IRelation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static bool Holds<T>(ulong a, ulong b) where T : unmanaged => (long)Width.SignExtend<T>(a & b) < 0;
    }

    private struct Not<T> : IRelation where T : struct, IRelation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static bool Holds<TWidth>(ulong a, ulong b) where TWidth : unmanaged => !T.Holds<TWidth>(a, b);
    }
}
