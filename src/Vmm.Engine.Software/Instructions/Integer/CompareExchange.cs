using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>CMPXCHG, CMPXCHG8B, CMPXCHG16B and XADD.</summary>
internal static unsafe class CompareExchange
{
    private static readonly ushort Rax = (ushort)CpuState.GprOffset(0);

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Cmpxchg_rm8_r8, &InRegister<byte>, &InMemory<byte>);
        table.Set(Code.Cmpxchg_rm16_r16, &InRegister<ushort>, &InMemory<ushort>);
        table.Set(Code.Cmpxchg_rm32_r32, &InRegister<uint>, &InMemory<uint>);
        table.Set(Code.Cmpxchg_rm64_r64, &InRegister<ulong>, &InMemory<ulong>);
        table.Set(Code.Cmpxchg8b_m64, null, &PairOfDwords);
        table.Set(Code.Cmpxchg16b_m128, null, &PairOfQwords);
        table.Set(Code.Xadd_rm8_r8, &AddRegister<byte>, &AddMemory<byte>);
        table.Set(Code.Xadd_rm16_r16, &AddRegister<ushort>, &AddMemory<ushort>);
        table.Set(Code.Xadd_rm32_r32, &AddRegister<uint>, &AddMemory<uint>);
        table.Set(Code.Xadd_rm64_r64, &AddRegister<ulong>, &AddMemory<ulong>);
    }

    // The accumulator is compared with the destination, as CMP accumulator, destination does it.
    private static Outcome InRegister<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong old = Width.ReadRegister<T>(s, i->Destination);
        ulong accumulator = Width.Truncate<T>(s->Gpr.Rax);
        Subtract.Apply(s, Width.Bits<T>(), accumulator, old);
        if (old == accumulator)
        {
            Width.WriteRegister<T>(s, i->Destination, Width.ReadRegister<T>(s, i->Source));
        }
        else
        {
            Width.WriteRegister<T>(s, Rax, old);
        }

        return Outcome.Next;
    }

    /// <summary>Stores the source when the accumulator matches, else the old value: the destination is always written.</summary>
    private struct StoreIfEqual : IModification
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            ulong mask = ulong.MaxValue >> (64 - bits);
            ulong accumulator = s->Gpr.Rax & mask;
            Subtract.Apply(s, bits, accumulator, a);
            return a == accumulator ? b : a;
        }
    }

    private static Outcome InMemory<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        Outcome outcome = ReadModifyWrite.Memory<StoreIfEqual, T>(s, i, Width.ReadRegister<T>(s, i->Source), out ulong old);
        if (outcome == Outcome.Next && !ArithmeticFlags.ZeroFlag(s))
        {
            Width.WriteRegister<T>(s, Rax, old);
        }

        return outcome;
    }

    /// <summary>CMPXCHG8B: EDX:EAX compared, ECX:EBX stored; only ZF changes.</summary>
    private static Outcome PairOfDwords(CpuState* s, Instruction* i)
    {
        ulong expected = (uint)s->Gpr.Rax | (s->Gpr.Rdx << 32);
        ulong replacement = (uint)s->Gpr.Rbx | (s->Gpr.Rcx << 32);
        if (!Operands.WriteAddress(s, i, 8, out ulong linear))
        {
            return SlowAccess.Failure(s);
        }

        byte* host = LinearMemory.WritePointer<ulong>(s, linear);
        ulong old = 0;
        if (host == null)
        {
            // Fills the TLB: the exchange is atomic unless the page needs attention.
            if (!SlowAccess.LoadForWrite(s, linear, out old))
            {
                return SlowAccess.Failure(s);
            }

            host = LinearMemory.WritePointer<ulong>(s, linear);
        }

        if (host != null)
        {
            old = AtomicMemory.CompareExchange<ulong>(host, replacement, expected);
        }
        else if (!SlowAccess.Store(s, linear, old == expected ? replacement : old))
        {
            return SlowAccess.Failure(s);
        }

        SetZeroFlag(s, old == expected);
        if (old != expected)
        {
            s->Gpr.Rax = (uint)old;
            s->Gpr.Rdx = old >> 32;
        }

        return Outcome.Next;
    }

    /// <summary>CMPXCHG16B: RDX:RAX compared, RCX:RBX stored; a misaligned operand is #GP(0).</summary>
    private static Outcome PairOfQwords(CpuState* s, Instruction* i)
    {
        UInt128 expected = new(s->Gpr.Rdx, s->Gpr.Rax);
        UInt128 replacement = new(s->Gpr.Rcx, s->Gpr.Rbx);
        if (!Operands.WriteAddress(s, i, 16, out ulong linear))
        {
            return SlowAccess.Failure(s);
        }

        if ((linear & 15) != 0)
        {
            return Faults.GeneralProtection(s);
        }

        if (!SlowAccess.LoadForWrite(s, linear, out UInt128 old))
        {
            return SlowAccess.Failure(s);
        }

        byte* host = LinearMemory.WritePointer<UInt128>(s, linear);
        if (host != null)
        {
            old = WideCompareExchange.Run(s, host, replacement, expected);
        }
        else if (!SlowAccess.Store(s, linear, old == expected ? replacement : old))
        {
            return SlowAccess.Failure(s);
        }

        SetZeroFlag(s, old == expected);
        if (old != expected)
        {
            s->Gpr.Rax = (ulong)old;
            s->Gpr.Rdx = (ulong)(old >> 64);
        }

        return Outcome.Next;
    }

    private static void SetZeroFlag(CpuState* s, bool zero)
    {
        ulong flags = ArithmeticFlags.Read(s) & ~ArithmeticFlags.Zero;
        ArithmeticFlags.Write(s, zero ? flags | ArithmeticFlags.Zero : flags);
    }

    private static Outcome AddRegister<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong destination = Width.ReadRegister<T>(s, i->Destination);
        ulong sum = Add.Apply(s, Width.Bits<T>(), destination, Width.ReadRegister<T>(s, i->Source));
        Width.WriteRegister<T>(s, i->Source, destination);
        Width.WriteRegister<T>(s, i->Destination, sum);
        return Outcome.Next;
    }

    private static Outcome AddMemory<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        Outcome outcome = ReadModifyWrite.Memory<Add, T>(s, i, Width.ReadRegister<T>(s, i->Source), out ulong old);
        if (outcome == Outcome.Next)
        {
            Width.WriteRegister<T>(s, i->Source, old);
        }

        return outcome;
    }
}
