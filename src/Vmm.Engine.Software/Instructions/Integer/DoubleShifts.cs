using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>SHLD and SHRD.</summary>
internal static unsafe class DoubleShifts
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Shld_rm16_r16_imm8, &ByImmediate<Left, ushort>);
        table.Set(Code.Shld_rm32_r32_imm8, &ByImmediate<Left, uint>);
        table.Set(Code.Shld_rm64_r64_imm8, &ByImmediate<Left, ulong>);
        table.Set(Code.Shld_rm16_r16_CL, &ByCl<Left, ushort>);
        table.Set(Code.Shld_rm32_r32_CL, &ByCl<Left, uint>);
        table.Set(Code.Shld_rm64_r64_CL, &ByCl<Left, ulong>);
        table.Set(Code.Shrd_rm16_r16_imm8, &ByImmediate<Right, ushort>);
        table.Set(Code.Shrd_rm32_r32_imm8, &ByImmediate<Right, uint>);
        table.Set(Code.Shrd_rm64_r64_imm8, &ByImmediate<Right, ulong>);
        table.Set(Code.Shrd_rm16_r16_CL, &ByCl<Right, ushort>);
        table.Set(Code.Shrd_rm32_r32_CL, &ByCl<Right, uint>);
        table.Set(Code.Shrd_rm64_r64_CL, &ByCl<Right, ulong>);
    }

    private interface IDoubleShift
    {
        static abstract ulong Apply(CpuState* s, int bits, ulong a, ulong fill, int count);
    }

    private struct Left : IDoubleShift
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong fill, int count)
        {
            // For 16 bits a count above 16 is undefined (SDM Vol. 2B SHLD); processors shift the triple a:fill:a.
            UInt128 triple = ((UInt128)a << (2 * bits)) | ((UInt128)fill << bits) | a;
            ulong result = bits == 64
                ? (a << count) | (fill >> (64 - count))
                : (ulong)(triple >> ((2 * bits) - count));
            bool carry = count <= bits
                ? ((a >> (bits - count)) & 1) != 0
                : ((fill >> ((2 * bits) - count)) & 1) != 0;
            bool overflow = (((result >> (bits - 1)) & 1) != 0) != carry;
            ArithmeticFlags.SetResult(s, bits, result, carry, overflow);
            return result;
        }
    }

    private struct Right : IDoubleShift
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong fill, int count)
        {
            UInt128 triple = ((UInt128)a << (2 * bits)) | ((UInt128)fill << bits) | a;
            ulong result = bits == 64
                ? (a >> count) | (fill << (64 - count))
                : (ulong)(triple >> count);
            bool carry = count <= bits
                ? ((a >> (count - 1)) & 1) != 0
                : ((fill >> (count - bits - 1)) & 1) != 0;
            bool overflow = (((result ^ (result << 1)) >> (bits - 1)) & 1) != 0;
            ArithmeticFlags.SetResult(s, bits, result, carry, overflow);
            return result;
        }
    }

    private static Outcome ByImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IDoubleShift
        where T : unmanaged =>
        Shift<TOperation, T>(s, i, i->Immediate);

    private static Outcome ByCl<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IDoubleShift
        where T : unmanaged =>
        Shift<TOperation, T>(s, i, s->Gpr.Rcx);

    private static Outcome Shift<TOperation, T>(CpuState* s, Instruction* i, ulong rawCount)
        where TOperation : struct, IDoubleShift
        where T : unmanaged
    {
        int count = (int)(rawCount & (sizeof(T) == 8 ? 63u : 31u));
        ulong fill = Width.ReadRegister<T>(s, i->Source);
        if ((i->Flags & InstructionFlags.Memory) == 0)
        {
            ulong a = Width.ReadRegister<T>(s, i->Destination);
            Width.WriteRegister<T>(s, i->Destination, count == 0 ? a : TOperation.Apply(s, Width.Bits<T>(), a, fill, count));
            return Outcome.Next;
        }

        if (!Operands.WriteAddress(s, i, sizeof(T), out ulong linear) || !SlowAccess.LoadForWrite(s, linear, out T value))
        {
            return SlowAccess.Failure(s);
        }

        if (count == 0)
        {
            return Outcome.Next;
        }

        (ulong result, ulong carries) = (s->FlagResult, s->FlagCarries);
        ulong shifted = TOperation.Apply(s, Width.Bits<T>(), Width.ZeroExtend(value), fill, count);
        if (LinearMemory.Store(s, linear, Width.Narrow<T>(shifted)))
        {
            return Outcome.Next;
        }

        (s->FlagResult, s->FlagCarries) = (result, carries);
        return SlowAccess.Failure(s);
    }
}
