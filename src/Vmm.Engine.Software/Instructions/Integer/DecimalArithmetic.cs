using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>DAA, DAS, AAA, AAS, AAM, AAD and BOUND: instructions that 64-bit mode no longer has.</summary>
internal static unsafe class DecimalArithmetic
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Daa, &AdjustAfterAddition);
        table.Set(Code.Das, &AdjustAfterSubtraction);
        table.Set(Code.Aaa, &AsciiAdjustAfterAddition);
        table.Set(Code.Aas, &AsciiAdjustAfterSubtraction);
        table.Set(Code.Aam_imm8, &AsciiAdjustAfterMultiplication);
        table.Set(Code.Aad_imm8, &AsciiAdjustBeforeDivision);
        table.Set(Code.Bound_r16_m1616, null, &Bound<ushort>);
        table.Set(Code.Bound_r32_m3232, null, &Bound<uint>);
    }

    private static byte Al(CpuState* s) => (byte)s->Gpr.Rax;

    private static void SetAl(CpuState* s, int value) => Operands.Register<byte>(s, (ushort)CpuState.GprOffset(0)) = (byte)value;

    private static void SetAx(CpuState* s, int value) => Operands.Register<ushort>(s, (ushort)CpuState.GprOffset(0)) = (ushort)value;

    /// <summary>SF, ZF and PF by AL, CF and AF as given, OF clear.</summary>
    private static void SetFlags(CpuState* s, int al, bool carry, bool adjust)
    {
        ArithmeticFlags.SetResult(s, 8, (byte)al, carry, false);
        if (adjust)
        {
            s->FlagCarries |= 8;
        }
    }

    private static Outcome AdjustAfterAddition(CpuState* s, Instruction* i)
    {
        int al = Al(s);
        bool adjust = (al & 15) > 9 || ArithmeticFlags.AdjustFlag(s);
        bool carry = al > 0x99 || ArithmeticFlags.CarryFlag(s);
        al += (adjust ? 6 : 0) + (carry ? 0x60 : 0);
        SetAl(s, al);
        SetFlags(s, al, carry, adjust);
        return Outcome.Next;
    }

    private static Outcome AdjustAfterSubtraction(CpuState* s, Instruction* i)
    {
        int old = Al(s);
        bool oldCarry = ArithmeticFlags.CarryFlag(s);
        bool adjust = (old & 15) > 9 || ArithmeticFlags.AdjustFlag(s);
        bool high = old > 0x99 || oldCarry;
        bool carry = high || (adjust && old < 6);
        int al = old - (adjust ? 6 : 0) - (high ? 0x60 : 0);
        SetAl(s, al);
        SetFlags(s, al, carry, adjust);
        return Outcome.Next;
    }

    private static Outcome AsciiAdjustAfterAddition(CpuState* s, Instruction* i)
    {
        int ax = (ushort)s->Gpr.Rax;
        bool adjust = (ax & 15) > 9 || ArithmeticFlags.AdjustFlag(s);
        ax += adjust ? 0x106 : 0;
        SetAx(s, ax & 0xFF0F);
        SetFlags(s, ax & 15, adjust, adjust);
        return Outcome.Next;
    }

    private static Outcome AsciiAdjustAfterSubtraction(CpuState* s, Instruction* i)
    {
        int ax = (ushort)s->Gpr.Rax;
        bool adjust = (ax & 15) > 9 || ArithmeticFlags.AdjustFlag(s);
        ax -= adjust ? 0x106 : 0;
        SetAx(s, ax & 0xFF0F);
        SetFlags(s, ax & 15, adjust, adjust);
        return Outcome.Next;
    }

    private static Outcome AsciiAdjustAfterMultiplication(CpuState* s, Instruction* i)
    {
        int radix = (byte)i->Immediate;
        if (radix == 0)
        {
            return Faults.Raise(s, ExceptionVector.DivideError);
        }

        int al = Al(s);
        SetAx(s, ((al / radix) << 8) | (al % radix));
        SetFlags(s, al % radix, false, false);
        return Outcome.Next;
    }

    private static Outcome AsciiAdjustBeforeDivision(CpuState* s, Instruction* i)
    {
        int al = (byte)(Al(s) + ((byte)(s->Gpr.Rax >> 8) * (byte)i->Immediate));
        SetAx(s, al);
        SetFlags(s, al, false, false);
        return Outcome.Next;
    }

    /// <summary>BOUND: lower and upper bound lie side by side in memory, aligned as one of them; outside is #BR.</summary>
    private static Outcome Bound<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operands.ReadAddress(s, i, 2 * sizeof(T), out ulong linear)
            || !LinearMemory.Load(s, linear, out T first)
            || !LinearMemory.Load(s, (uint)(linear + (ulong)sizeof(T)), out T second))
        {
            return SlowAccess.Failure(s);
        }

        long index = (long)Width.SignExtend<T>(Width.ReadRegister<T>(s, i->Destination));
        long lower = (long)Width.SignExtend<T>(Width.ZeroExtend(first));
        long upper = (long)Width.SignExtend<T>(Width.ZeroExtend(second));
        return index < lower || index > upper ? Faults.Raise(s, ExceptionVector.BoundRangeExceeded) : Outcome.Next;
    }
}
