using System.Runtime.CompilerServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>PUSH and POP of general registers, memory and immediates; PUSHA, POPA, ENTER, LEAVE.</summary>
internal static unsafe class StackInstructions
{
    private const int Rbp = 5;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Push_r16, &PushRegister<ushort>, null);
        table.Set(Code.Push_r32, &PushRegister<uint>, null);
        table.Set(Code.Push_r64, &PushRegister<ulong>, null);
        table.Set(Code.Push_rm16, &PushRegister<ushort>, &PushMemory<ushort>);
        table.Set(Code.Push_rm32, &PushRegister<uint>, &PushMemory<uint>);
        table.Set(Code.Push_rm64, &PushRegister<ulong>, &PushMemory<ulong>);
        table.Set(Code.Push_imm16, &PushImmediate<ushort>, null);
        table.Set(Code.Pushw_imm8, &PushImmediate<ushort>, null);
        table.Set(Code.Pushd_imm32, &PushImmediate<uint>, null);
        table.Set(Code.Pushd_imm8, &PushImmediate<uint>, null);
        table.Set(Code.Pushq_imm32, &PushImmediate<ulong>, null);
        table.Set(Code.Pushq_imm8, &PushImmediate<ulong>, null);
        table.Set(Code.Pop_r16, &PopRegister<ushort>, null);
        table.Set(Code.Pop_r32, &PopRegister<uint>, null);
        table.Set(Code.Pop_r64, &PopRegister<ulong>, null);
        table.Set(Code.Pop_rm16, &PopRegister<ushort>, &PopMemory<ushort>);
        table.Set(Code.Pop_rm32, &PopRegister<uint>, &PopMemory<uint>);
        table.Set(Code.Pop_rm64, &PopRegister<ulong>, &PopMemory<ulong>);
        table.Set(Code.Pushaw, &PushAll<ushort>, null);
        table.Set(Code.Pushad, &PushAll<uint>, null);
        table.Set(Code.Popaw, &PopAll<ushort>, null);
        table.Set(Code.Popad, &PopAll<uint>, null);
        table.Set(Code.Enterw_imm16_imm8, &Enter<ushort>, null);
        table.Set(Code.Enterd_imm16_imm8, &Enter<uint>, null);
        table.Set(Code.Enterq_imm16_imm8, &Enter<ulong>, null);
        table.Set(Code.Leavew, &Leave<ushort>, null);
        table.Set(Code.Leaved, &Leave<uint>, null);
        table.Set(Code.Leaveq, &Leave<ulong>, null);
    }

    private static Outcome PushRegister<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong pointer = s->Gpr.Rsp - (ulong)sizeof(T);
        byte* host = (i->Flags & InstructionFlags.Code64) != 0 ? LinearMemory.WritePointer<T>(s, pointer) : null;
        if (host == null)
        {
            return SlowPushRegister<T>(s, i);
        }

        Width.Write<T>(host, Width.ReadRegister<T>(s, i->Destination));
        s->Gpr.Rsp = pointer;
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowPushRegister<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Stack.Push<T>(s, i, Width.ReadRegister<T>(s, i->Destination)) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome PushMemory<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Width.LoadOperand<T>(s, i, out ulong value) && Stack.Push<T>(s, i, value) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome PushImmediate<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Stack.Push<T>(s, i, i->Immediate) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome PopRegister<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong pointer = s->Gpr.Rsp;
        byte* host = (i->Flags & InstructionFlags.Code64) != 0 ? LinearMemory.ReadPointer<T>(s, pointer) : null;
        if (host == null)
        {
            return SlowPopRegister<T>(s, i);
        }

        // The pointer moves first: POP RSP ends with the popped value.
        s->Gpr.Rsp = pointer + (ulong)sizeof(T);
        Width.WriteRegister<T>(s, i->Destination, Width.Read<T>(host));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowPopRegister<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Stack.Peek<T>(s, i, 0, out ulong value))
        {
            return SlowAccess.Failure(s);
        }

        // The pointer moves first: POP RSP ends with the popped value.
        Stack.Release(s, i, (ulong)sizeof(T));
        Width.WriteRegister<T>(s, i->Destination, value);
        return Outcome.Next;
    }

    /// <summary>POP to memory: an address based on RSP uses its value after the pop (SDM Vol. 2B POP).</summary>
    private static Outcome PopMemory<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Stack.Peek<T>(s, i, 0, out ulong value))
        {
            return SlowAccess.Failure(s);
        }

        ulong pointer = s->Gpr.Rsp;
        Stack.Release(s, i, (ulong)sizeof(T));
        if (Width.StoreOperand<T>(s, i, value))
        {
            return Outcome.Next;
        }

        s->Gpr.Rsp = pointer;
        return SlowAccess.Failure(s);
    }

    private static Outcome PushAll<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        // All of it can be written, or none of it is.
        ulong pointer = s->Gpr.Rsp;
        for (uint n = 1; n <= 8; n++)
        {
            if (!Stack.ProbeWrite(s, i, (pointer - (n * (uint)sizeof(T))) & Stack.Mask(s), sizeof(T)))
            {
                return SlowAccess.Failure(s);
            }
        }

        for (int register = 0; register < 8; register++)
        {
            ulong value = register == 4 ? pointer : Width.ReadRegister<T>(s, (ushort)CpuState.GprOffset(register));
            if (!Stack.Push<T>(s, i, value))
            {
                s->Gpr.Rsp = pointer;
                return SlowAccess.Failure(s);
            }
        }

        return Outcome.Next;
    }

    private static Outcome PopAll<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong* values = stackalloc ulong[8];
        for (int n = 0; n < 8; n++)
        {
            if (!Stack.Peek<T>(s, i, (ulong)(n * sizeof(T)), out values[n]))
            {
                return SlowAccess.Failure(s);
            }
        }

        Stack.Release(s, i, (ulong)(8 * sizeof(T)));
        for (int n = 0; n < 8; n++)
        {
            int register = 7 - n;
            if (register != 4)
            {
                Width.WriteRegister<T>(s, (ushort)CpuState.GprOffset(register), values[n]);
            }
        }

        return Outcome.Next;
    }

    /// <summary>ENTER (SDM Vol. 2A ENTER): frame pointer, copies of outer frame pointers, room for locals.</summary>
    private static Outcome Enter<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong size = (ushort)i->Immediate;
        int level = (int)(i->Immediate >> 16) & 31;
        ulong pointer = s->Gpr.Rsp;
        ulong frame = s->Gpr.Rbp;
        if (!PushFrame<T>(s, i, frame, level))
        {
            s->Gpr.Rsp = pointer;
            return SlowAccess.Failure(s);
        }

        ulong mask = (i->Flags & InstructionFlags.Code64) != 0 ? ulong.MaxValue : Stack.Mask(s);
        ulong newFrame = pointer - (ulong)sizeof(T);
        ulong top = s->Gpr.Rsp - size;

        // The new top must be writable (the instruction faults on it), though nothing is stored there.
        if (!Stack.ProbeWrite(s, i, top & mask, sizeof(T)))
        {
            s->Gpr.Rsp = pointer;
            return SlowAccess.Failure(s);
        }

        s->Gpr.Rsp = (top & mask) | (pointer & ~mask);
        Width.WriteRegister<T>(s, (ushort)CpuState.GprOffset(Rbp), newFrame & mask | pointer & ~mask);
        return Outcome.Next;
    }

    private static bool PushFrame<T>(CpuState* s, Instruction* i, ulong frame, int level) where T : unmanaged
    {
        if (!Stack.Push<T>(s, i, frame))
        {
            return false;
        }

        ulong newFrame = s->Gpr.Rsp;
        for (int n = 1; n < level; n++)
        {
            if (!OuterFrame<T>(s, i, frame - (ulong)(n * sizeof(T)), out ulong outer) || !Stack.Push<T>(s, i, outer))
            {
                return false;
            }
        }

        return level == 0 || Stack.Push<T>(s, i, newFrame);
    }

    // Reads at an absolute stack address: the distance from the top that leads there.
    private static bool OuterFrame<T>(CpuState* s, Instruction* i, ulong address, out ulong value) where T : unmanaged =>
        Stack.Peek<T>(s, i, address - s->Gpr.Rsp, out value);

    private static Outcome Leave<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong pointer = s->Gpr.Rsp;
        if ((i->Flags & InstructionFlags.Code64) != 0)
        {
            s->Gpr.Rsp = s->Gpr.Rbp;
        }
        else
        {
            Stack.SetPointer(s, s->Gpr.Rbp);
        }

        if (!Stack.Peek<T>(s, i, 0, out ulong value))
        {
            s->Gpr.Rsp = pointer;
            return SlowAccess.Failure(s);
        }

        Stack.Release(s, i, (ulong)sizeof(T));
        Width.WriteRegister<T>(s, (ushort)CpuState.GprOffset(Rbp), value);
        return Outcome.Next;
    }
}
