using System.Runtime.CompilerServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>Near JMP, CALL and RET, LOOPcc and JrCXZ.</summary>
internal static unsafe class NearBranch
{
    public static void Register(HandlerTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)
            [Code.Jmp_rel8_16, Code.Jmp_rel8_32, Code.Jmp_rel8_64, Code.Jmp_rel16, Code.Jmp_rel32_32, Code.Jmp_rel32_64])
        {
            table.Set(code, &JumpRelative, null);
        }

        table.Set(Code.Jmp_rm16, &JumpRegister<ushort>, &JumpMemory<ushort>);
        table.Set(Code.Jmp_rm32, &JumpRegister<uint>, &JumpMemory<uint>);
        table.Set(Code.Jmp_rm64, &JumpRegister<ulong>, &JumpMemory<ulong>);
        table.Set(Code.Call_rel16, &CallRelative<ushort>, null);
        table.Set(Code.Call_rel32_32, &CallRelative<uint>, null);
        table.Set(Code.Call_rel32_64, &CallRelative<ulong>, null);
        table.Set(Code.Call_rm16, &CallRegister<ushort>, &CallMemory<ushort>);
        table.Set(Code.Call_rm32, &CallRegister<uint>, &CallMemory<uint>);
        table.Set(Code.Call_rm64, &CallRegister<ulong>, &CallMemory<ulong>);
        table.Set(Code.Retnw, &Return<ushort>, null);
        table.Set(Code.Retnd, &Return<uint>, null);
        table.Set(Code.Retnq, &Return<ulong>, null);
        table.Set(Code.Retnw_imm16, &Return<ushort>, null);
        table.Set(Code.Retnd_imm16, &Return<uint>, null);
        table.Set(Code.Retnq_imm16, &Return<ulong>, null);
        RegisterLoops(table);
    }

    private static void RegisterLoops(HandlerTable table)
    {
        table.Set(Code.Jcxz_rel8_16, &JumpIfZero<ushort>, null);
        table.Set(Code.Jcxz_rel8_32, &JumpIfZero<ushort>, null);
        table.Set(Code.Jecxz_rel8_16, &JumpIfZero<uint>, null);
        table.Set(Code.Jecxz_rel8_32, &JumpIfZero<uint>, null);
        table.Set(Code.Jecxz_rel8_64, &JumpIfZero<uint>, null);
        table.Set(Code.Jrcxz_rel8_16, &JumpIfZero<ulong>, null);
        table.Set(Code.Jrcxz_rel8_64, &JumpIfZero<ulong>, null);
        Loop<Always>(table, Code.Loop_rel8_16_CX);
        Loop<Equal>(table, Code.Loope_rel8_16_CX);
        Loop<Negated<Equal>>(table, Code.Loopne_rel8_16_CX);
    }

    // Iced's order: 16_CX 32_CX 16_ECX 32_ECX 64_ECX 16_RCX 64_RCX.
    private static void Loop<T>(HandlerTable table, Code first) where T : struct, ICondition
    {
        table.Set(first, &LoopWhile<T, ushort>, null);
        table.Set(first + 1, &LoopWhile<T, ushort>, null);
        table.Set(first + 2, &LoopWhile<T, uint>, null);
        table.Set(first + 3, &LoopWhile<T, uint>, null);
        table.Set(first + 4, &LoopWhile<T, uint>, null);
        table.Set(first + 5, &LoopWhile<T, ulong>, null);
        table.Set(first + 6, &LoopWhile<T, ulong>, null);
    }

    private struct Always : ICondition
    {
        public static bool Holds(CpuState* s) => true;
    }

    /// <summary>Goes to a target; one that is not canonical or beyond the limit of CS is #GP(0) of the branch (SDM Vol. 2A JMP).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Outcome To(CpuState* s, Instruction* i, ulong target)
    {
        if (!IsLegal(s, i, target))
        {
            return Faults.GeneralProtection(s);
        }

        s->Rip = target;
        return Outcome.Branch;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Outcome FallThrough(CpuState* s, Instruction* i)
    {
        s->Rip = i->NextRip;
        return Outcome.Branch;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsLegal(CpuState* s, Instruction* i, ulong target) =>
        (i->Flags & InstructionFlags.Code64) != 0
            ? (ulong)((long)(target << 16) >> 16) == target
            : target <= s->Cs.Limit;

    private static Outcome JumpRelative(CpuState* s, Instruction* i) => To(s, i, i->Immediate);

    private static Outcome JumpRegister<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        To(s, i, Width.ReadRegister<T>(s, i->Destination));

    private static Outcome JumpMemory<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Width.LoadOperand<T>(s, i, out ulong target) ? To(s, i, target) : SlowAccess.Failure(s);

    private static Outcome CallRelative<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong pointer = s->Gpr.Rsp - 8;
        byte* host = sizeof(T) == 8 && Memory.Mmu.IsCanonical(i->Immediate) ? LinearMemory.WritePointer<ulong>(s, pointer) : null;
        if (host == null)
        {
            return SlowCallRelative<T>(s, i);
        }

        Width.Write<ulong>(host, i->Rip + i->Length);
        s->Gpr.Rsp = pointer;
        s->Rip = i->Immediate;
        return Outcome.Branch;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowCallRelative<T>(CpuState* s, Instruction* i) where T : unmanaged => Call<T>(s, i, i->Immediate);

    private static Outcome CallRegister<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Call<T>(s, i, Width.ReadRegister<T>(s, i->Destination));

    private static Outcome CallMemory<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Width.LoadOperand<T>(s, i, out ulong target) ? Call<T>(s, i, target) : SlowAccess.Failure(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Outcome Call<T>(CpuState* s, Instruction* i, ulong target) where T : unmanaged
    {
        if (!IsLegal(s, i, target))
        {
            return Faults.GeneralProtection(s);
        }

        if (!Stack.Push<T>(s, i, i->NextRip))
        {
            return SlowAccess.Failure(s);
        }

        s->Rip = target;
        return Outcome.Branch;
    }

    /// <summary>RET, with the bytes to release in the immediate (0 without one).</summary>
    private static Outcome Return<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong pointer = s->Gpr.Rsp;
        byte* host = sizeof(T) == 8 ? LinearMemory.ReadPointer<ulong>(s, pointer) : null;
        if (host != null)
        {
            ulong target = Width.Read<ulong>(host);
            if (Memory.Mmu.IsCanonical(target))
            {
                s->Gpr.Rsp = pointer + 8 + (ushort)i->Immediate;
                s->Rip = target;
                return Outcome.Branch;
            }
        }

        return SlowReturn<T>(s, i);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowReturn<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Stack.Peek<T>(s, i, 0, out ulong target))
        {
            return SlowAccess.Failure(s);
        }

        if (!IsLegal(s, i, target))
        {
            return Faults.GeneralProtection(s);
        }

        Stack.Release(s, i, (ulong)sizeof(T) + (ushort)i->Immediate);
        s->Rip = target;
        return Outcome.Branch;
    }

    private static Outcome JumpIfZero<TCount>(CpuState* s, Instruction* i) where TCount : unmanaged =>
        Width.Truncate<TCount>(s->Gpr.Rcx) == 0 ? To(s, i, i->Immediate) : FallThrough(s, i);

    private static Outcome LoopWhile<T, TCount>(CpuState* s, Instruction* i)
        where T : struct, ICondition
        where TCount : unmanaged
    {
        ulong count = Width.Truncate<TCount>(s->Gpr.Rcx - 1);
        if (count != 0 && T.Holds(s))
        {
            if (!IsLegal(s, i, i->Immediate))
            {
                return Faults.GeneralProtection(s);
            }

            s->Rip = i->Immediate;
        }
        else
        {
            s->Rip = i->NextRip;
        }

        Width.WriteRegister<TCount>(s, (ushort)CpuState.GprOffset(1), count);
        return Outcome.Branch;
    }
}
