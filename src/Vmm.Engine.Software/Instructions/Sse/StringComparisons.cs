using System.Numerics;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions.Avx;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM, and their VEX forms (SDM Vol. 2B 4.1).</summary>
internal static unsafe class StringComparisons
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Pcmpestri_xmm_xmmm128_imm8, &ExplicitIndexRegister<int>, &ExplicitIndexMemory<int>);
        table.Set(Code.Pcmpestri64_xmm_xmmm128_imm8, &ExplicitIndexRegister<long>, &ExplicitIndexMemory<long>);
        table.Set(Code.Pcmpestrm_xmm_xmmm128_imm8, &ExplicitMaskRegister<int>, &ExplicitMaskMemory<int>);
        table.Set(Code.Pcmpestrm64_xmm_xmmm128_imm8, &ExplicitMaskRegister<long>, &ExplicitMaskMemory<long>);
        table.Set(Code.Pcmpistri_xmm_xmmm128_imm8, &ImplicitIndexRegister, &ImplicitIndexMemory);
        table.Set(Code.Pcmpistrm_xmm_xmmm128_imm8, &ImplicitMaskRegister, &ImplicitMaskMemory);
        table.Set(Code.VEX_Vpcmpestri_xmm_xmmm128_imm8, &ExplicitIndexRegister<int>, &ExplicitIndexMemory<int>);
        table.Set(Code.VEX_Vpcmpestri64_xmm_xmmm128_imm8, &ExplicitIndexRegister<long>, &ExplicitIndexMemory<long>);
        table.Set(Code.VEX_Vpcmpestrm_xmm_xmmm128_imm8, &ExplicitMaskRegister<int>, &ExplicitMaskMemory<int>);
        table.Set(Code.VEX_Vpcmpestrm64_xmm_xmmm128_imm8, &ExplicitMaskRegister<long>, &ExplicitMaskMemory<long>);
        table.Set(Code.VEX_Vpcmpistri_xmm_xmmm128_imm8, &ImplicitIndexRegister, &ImplicitIndexMemory);
        table.Set(Code.VEX_Vpcmpistrm_xmm_xmmm128_imm8, &ImplicitMaskRegister, &ImplicitMaskMemory);
    }

    private static Outcome ExplicitIndexRegister<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Index(s, i, Operands.Register<V>(s, i->Source), Length<T>(s->Gpr.Rax, i), Length<T>(s->Gpr.Rdx, i));

    private static Outcome ExplicitIndexMemory<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Operands.LoadOperand(s, i, out V source)
            ? Index(s, i, source, Length<T>(s->Gpr.Rax, i), Length<T>(s->Gpr.Rdx, i))
            : SlowAccess.Failure(s);

    private static Outcome ExplicitMaskRegister<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Mask(s, i, Operands.Register<V>(s, i->Source), Length<T>(s->Gpr.Rax, i), Length<T>(s->Gpr.Rdx, i));

    private static Outcome ExplicitMaskMemory<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Operands.LoadOperand(s, i, out V source)
            ? Mask(s, i, source, Length<T>(s->Gpr.Rax, i), Length<T>(s->Gpr.Rdx, i))
            : SlowAccess.Failure(s);

    private static Outcome ImplicitIndexRegister(CpuState* s, Instruction* i)
    {
        V source = Operands.Register<V>(s, i->Source);
        return Index(s, i, source, Terminated(Operands.Register<V>(s, i->Destination), i), Terminated(source, i));
    }

    private static Outcome ImplicitIndexMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out V source)
            ? Index(s, i, source, Terminated(Operands.Register<V>(s, i->Destination), i), Terminated(source, i))
            : SlowAccess.Failure(s);

    private static Outcome ImplicitMaskRegister(CpuState* s, Instruction* i)
    {
        V source = Operands.Register<V>(s, i->Source);
        return Mask(s, i, source, Terminated(Operands.Register<V>(s, i->Destination), i), Terminated(source, i));
    }

    private static Outcome ImplicitMaskMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out V source)
            ? Mask(s, i, source, Terminated(Operands.Register<V>(s, i->Destination), i), Terminated(source, i))
            : SlowAccess.Failure(s);

    private static bool IsWords(Instruction* i) => (i->Immediate & 1) != 0;

    private static int Elements(Instruction* i) => IsWords(i) ? 8 : 16;

    /// <summary>The absolute value of the length register, saturated.</summary>
    private static int Length<T>(ulong register, Instruction* i) where T : unmanaged
    {
        long value = sizeof(T) == 4 ? (int)register : (long)register;
        ulong magnitude = value < 0 ? (ulong)-value : (ulong)value;
        return (int)Math.Min(magnitude, (ulong)Elements(i));
    }

    /// <summary>Number of elements before the first zero.</summary>
    private static int Terminated(V value, Instruction* i)
    {
        int count = Elements(i);
        for (int n = 0; n < count; n++)
        {
            if (Element(value, n, i) == 0)
            {
                return n;
            }
        }

        return count;
    }

    /// <summary>An element as the source format of imm8[1:0] reads it.</summary>
    private static int Element(V value, int n, Instruction* i) => ((int)i->Immediate & 3) switch
    {
        0 => value.GetElement(n),
        1 => value.AsUInt16().GetElement(n),
        2 => value.AsSByte().GetElement(n),
        _ => value.AsInt16().GetElement(n),
    };

    private static Outcome Index(CpuState* s, Instruction* i, V second, int firstLength, int secondLength)
    {
        uint result = Aggregate(s, i, second, firstLength, secondLength);
        bool mostSignificant = (i->Immediate & 0x40) != 0;
        s->Gpr.Rcx = result == 0
            ? (ulong)Elements(i)
            : (ulong)(mostSignificant ? BitOperations.Log2(result) : BitOperations.TrailingZeroCount(result));
        return Outcome.Next;
    }

    private static Outcome Mask(CpuState* s, Instruction* i, V second, int firstLength, int secondLength)
    {
        uint result = Aggregate(s, i, second, firstLength, secondLength);
        V mask;
        if ((i->Immediate & 0x40) == 0)
        {
            mask = Vector128.CreateScalar(result).AsByte();
        }
        else
        {
            Span<byte> bytes = stackalloc byte[16];
            int width = IsWords(i) ? 2 : 1;
            for (int n = 0; n < 16; n++)
            {
                bytes[n] = (byte)(((result >> (n / width)) & 1) != 0 ? 0xFF : 0);
            }

            mask = Vector128.Create<byte>(bytes);
        }

        Operands.Register<V>(s, (ushort)CpuState.VectorOffset) = mask;
        if ((Code)i->Code is Code.VEX_Vpcmpestrm_xmm_xmmm128_imm8 or Code.VEX_Vpcmpestrm64_xmm_xmmm128_imm8 or Code.VEX_Vpcmpistrm_xmm_xmmm128_imm8)
        {
            Operands.Register<V>(s, (ushort)(CpuState.VectorOffset + VexOperands.UpperHalf)) = default;
        }

        return Outcome.Next;
    }

    /// <summary>IntRes2, with the flags set from it.</summary>
    private static uint Aggregate(CpuState* s, Instruction* i, V second, int firstLength, int secondLength)
    {
        V first = Operands.Register<V>(s, i->Destination);
        int count = Elements(i);
        uint result = 0;
        for (int n = 0; n < count; n++)
        {
            if (Holds(first, second, firstLength, secondLength, n, i))
            {
                result |= 1u << n;
            }
        }

        uint all = (1u << count) - 1;
        result = ((int)(i->Immediate >> 4) & 3) switch
        {
            1 => ~result & all,
            3 => result ^ ((1u << secondLength) - 1),
            _ => result,
        };

        ulong flags = result != 0 ? ArithmeticFlags.Carry : 0;
        flags |= secondLength < count ? ArithmeticFlags.Zero : 0;
        flags |= firstLength < count ? ArithmeticFlags.Sign : 0;
        flags |= (result & 1) != 0 ? ArithmeticFlags.Overflow : 0;
        ArithmeticFlags.Write(s, flags);
        return result;
    }

    /// <summary>Bit n of IntRes1 by the aggregation of imm8[3:2], invalid elements overridden (SDM Vol. 2B table 4-7).</summary>
    private static bool Holds(V first, V second, int firstLength, int secondLength, int n, Instruction* i)
    {
        switch ((int)(i->Immediate >> 2) & 3)
        {
            case 0: // Equal any: is element n of the second one of the set?
                for (int k = 0; k < firstLength && n < secondLength; k++)
                {
                    if (Element(first, k, i) == Element(second, n, i))
                    {
                        return true;
                    }
                }

                return false;
            case 1: // Ranges: pairs of lower and upper bounds.
                for (int k = 0; k + 1 < firstLength && n < secondLength; k += 2)
                {
                    int value = Element(second, n, i);
                    if (value >= Element(first, k, i) && value <= Element(first, k + 1, i))
                    {
                        return true;
                    }
                }

                return false;
            case 2: // Equal each: both past their ends are equal, one past its end is not.
                bool firstValid = n < firstLength;
                bool secondValid = n < secondLength;
                return firstValid && secondValid ? Element(first, n, i) == Element(second, n, i) : firstValid == secondValid;
            default: // Equal ordered: does the first string start at n of the second?
                for (int k = 0; k < firstLength && n + k < Elements(i); k++)
                {
                    if (n + k >= secondLength || Element(first, k, i) != Element(second, n + k, i))
                    {
                        return false;
                    }
                }

                return true;
        }
    }
}
