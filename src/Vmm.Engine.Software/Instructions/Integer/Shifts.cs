using System.Runtime.CompilerServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

// The count arrives in b, masked to 5 or 6 bits. A count of zero changes nothing, flags included (SDM Vol. 2B SAL).

internal unsafe struct ShiftLeft : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        int count = (int)b;
        if (count == 0)
        {
            return a;
        }

        // Counts beyond the width are possible for 8 and 16 bits: everything, the carry too, has left.
        ulong result = a << count;
        bool carry = count <= bits && ((a >> (bits - count)) & 1) != 0;
        bool sign = ((result >> (bits - 1)) & 1) != 0;
        ArithmeticFlags.SetResult(s, bits, result, carry, carry != sign);
        return result;
    }
}

internal unsafe struct ShiftRight : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        int count = (int)b;
        if (count == 0)
        {
            return a;
        }

        // OF is the sign before the last step: defined for a count of 1, where that is the original (SDM Vol. 2B SAL).
        ulong before = a >> (count - 1);
        ulong result = before >> 1;
        ArithmeticFlags.SetResult(s, bits, result, (before & 1) != 0, ((result << 1 ^ result) >> (bits - 1) & 1) != 0);
        return result;
    }
}

internal unsafe struct ShiftArithmeticRight : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        int count = (int)b;
        if (count == 0)
        {
            return a;
        }

        long value = (long)(a << (64 - bits)) >> (64 - bits);
        long before = value >> (count - 1);
        ulong result = (ulong)(before >> 1);
        ArithmeticFlags.SetResult(s, bits, result, (before & 1) != 0, false);
        return result;
    }
}

internal unsafe struct RotateLeft : IModification
{
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        if (b == 0)
        {
            return a;
        }

        int count = (int)b & (bits - 1);
        ulong result = count == 0 ? a : (a << count) | (a >> (bits - count));
        bool carry = (result & 1) != 0;
        ArithmeticFlags.SetCarryAndOverflow(s, carry, carry != (((result >> (bits - 1)) & 1) != 0));
        return result;
    }
}

internal unsafe struct RotateRight : IModification
{
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        if (b == 0)
        {
            return a;
        }

        int count = (int)b & (bits - 1);
        ulong result = count == 0 ? a : (a >> count) | (a << (bits - count));
        bool top = ((result >> (bits - 1)) & 1) != 0;
        ArithmeticFlags.SetCarryAndOverflow(s, top, top != (((result >> (bits - 2)) & 1) != 0));
        return result;
    }
}

internal unsafe struct RotateCarryLeft : IModification
{
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        int count = (int)b % (bits + 1);
        bool carry = ArithmeticFlags.CarryFlag(s);
        if (b == 0)
        {
            return a;
        }

        ulong result = a;
        if (count != 0)
        {
            ulong carryIn = carry ? 1UL : 0;
            result = count == bits ? 0 : a << count;
            result |= carryIn << (count - 1);
            result |= count > 1 ? a >> (bits + 1 - count) : 0;
            carry = ((a >> (bits - count)) & 1) != 0;
        }

        ArithmeticFlags.SetCarryAndOverflow(s, carry, carry != (((result >> (bits - 1)) & 1) != 0));
        return result;
    }
}

internal unsafe struct RotateCarryRight : IModification
{
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        int count = (int)b % (bits + 1);
        bool carry = ArithmeticFlags.CarryFlag(s);
        if (b == 0)
        {
            return a;
        }

        ulong result = a;
        if (count != 0)
        {
            ulong carryIn = carry ? 1UL : 0;
            result = count == bits ? 0 : a >> count;
            result |= carryIn << (bits - count);
            result |= count > 1 ? a << (bits + 1 - count) : 0;
            carry = ((a >> (count - 1)) & 1) != 0;
        }

        bool top = ((result >> (bits - 1)) & 1) != 0;
        ArithmeticFlags.SetCarryAndOverflow(s, carry, top != (((result >> (bits - 2)) & 1) != 0));
        return result;
    }
}

/// <summary>Shifts and rotates by 1, by an immediate and by CL.</summary>
internal static unsafe class Shifts
{
    public static void Register(HandlerTable table)
    {
        Set<RotateLeft>(table, 0);
        Set<RotateRight>(table, 1);
        Set<RotateCarryLeft>(table, 2);
        Set<RotateCarryRight>(table, 3);
        Set<ShiftLeft>(table, 4);
        Set<ShiftRight>(table, 5);
        Set<ShiftLeft>(table, 6); // SAL: the undocumented encoding of SHL
        Set<ShiftArithmeticRight>(table, 7);
    }

    // Iced numbers the forms by the ModR/M reg field within each opcode.
    private static void Set<TOperation>(HandlerTable table, int group) where TOperation : struct, IModification
    {
        table.Set(Code.Rol_rm8_imm8 + group, &RegisterByImmediate<TOperation, byte>, &MemoryByImmediate<TOperation, byte>);
        table.Set(Code.Rol_rm8_1 + group, &RegisterByImmediate<TOperation, byte>, &MemoryByImmediate<TOperation, byte>);
        table.Set(Code.Rol_rm8_CL + group, &RegisterByCl<TOperation, byte>, &MemoryByCl<TOperation, byte>);
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Rol_rm16_imm8, Code.Rol_rm16_1])
        {
            Code form = code + (3 * group);
            table.Set(form, &RegisterByImmediate<TOperation, ushort>, &MemoryByImmediate<TOperation, ushort>);
            table.Set(form + 1, &RegisterByImmediate<TOperation, uint>, &MemoryByImmediate<TOperation, uint>);
            table.Set(form + 2, &RegisterByImmediate<TOperation, ulong>, &MemoryByImmediate<TOperation, ulong>);
        }

        Code byCl = Code.Rol_rm16_CL + (3 * group);
        table.Set(byCl, &RegisterByCl<TOperation, ushort>, &MemoryByCl<TOperation, ushort>);
        table.Set(byCl + 1, &RegisterByCl<TOperation, uint>, &MemoryByCl<TOperation, uint>);
        table.Set(byCl + 2, &RegisterByCl<TOperation, ulong>, &MemoryByCl<TOperation, ulong>);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Count<T>(ulong count) where T : unmanaged => count & (sizeof(T) == 8 ? 63u : 31u);

    private static Outcome RegisterByImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        InRegister<TOperation, T>(s, i, i->Immediate);

    private static Outcome RegisterByCl<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        InRegister<TOperation, T>(s, i, s->Gpr.Rcx);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Outcome InRegister<TOperation, T>(CpuState* s, Instruction* i, ulong count)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        ulong a = Width.ReadRegister<T>(s, i->Destination);
        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), a, Count<T>(count)));
        return Outcome.Next;
    }

    private static Outcome MemoryByImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        ReadModifyWrite.Memory<TOperation, T>(s, i, Count<T>(i->Immediate));

    private static Outcome MemoryByCl<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        ReadModifyWrite.Memory<TOperation, T>(s, i, Count<T>(s->Gpr.Rcx));
}
