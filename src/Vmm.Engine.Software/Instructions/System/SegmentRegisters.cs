using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>MOV, PUSH and POP of segment registers, LDS to LGS.</summary>
internal static unsafe class SegmentRegisters
{
    public static void Register(HandlerTable table)
    {
        foreach (Code code in (Code[])[Code.Mov_Sreg_rm16, Code.Mov_Sreg_r32m16, Code.Mov_Sreg_r64m16])
        {
            table.Set(code, &Load, &Load);
        }

        foreach (Code code in (Code[])[Code.Mov_rm16_Sreg, Code.Mov_r32m16_Sreg, Code.Mov_r64m16_Sreg])
        {
            table.Set(code, &Store, &Store);
        }

        foreach (Code code in (Code[])
        [
            Code.Popw_ES, Code.Popd_ES, Code.Popw_SS, Code.Popd_SS, Code.Popw_DS, Code.Popd_DS,
            Code.Popw_FS, Code.Popd_FS, Code.Popq_FS, Code.Popw_GS, Code.Popd_GS, Code.Popq_GS,
        ])
        {
            table.Set(code, &Pop);
        }

        foreach (Code code in (Code[])
        [
            Code.Pushw_ES, Code.Pushd_ES, Code.Pushw_CS, Code.Pushd_CS, Code.Pushw_SS, Code.Pushd_SS, Code.Pushw_DS, Code.Pushd_DS,
            Code.Pushw_FS, Code.Pushd_FS, Code.Pushq_FS, Code.Pushw_GS, Code.Pushd_GS, Code.Pushq_GS,
        ])
        {
            table.Set(code, &Push);
        }

        table.Set(Code.Les_r16_m1616, null, &LoadEs);
        table.Set(Code.Les_r32_m1632, null, &LoadEs);
        table.Set(Code.Lds_r16_m1616, null, &LoadDs);
        table.Set(Code.Lds_r32_m1632, null, &LoadDs);
        table.Set(Code.Lss_r16_m1616, null, &LoadSs);
        table.Set(Code.Lss_r32_m1632, null, &LoadSs);
        table.Set(Code.Lss_r64_m1664, null, &LoadSs);
        table.Set(Code.Lfs_r16_m1616, null, &LoadFs);
        table.Set(Code.Lfs_r32_m1632, null, &LoadFs);
        table.Set(Code.Lfs_r64_m1664, null, &LoadFs);
        table.Set(Code.Lgs_r16_m1616, null, &LoadGs);
        table.Set(Code.Lgs_r32_m1632, null, &LoadGs);
        table.Set(Code.Lgs_r64_m1664, null, &LoadGs);
    }

    /// <summary>A selector to a register destination: zero-extended to the operand size.</summary>
    public static void WriteSelector(CpuState* s, Instruction* i, ushort selector)
    {
        if (i->OperandSize == 2)
        {
            Operands.WriteRegister(s, i->Destination, selector);
        }
        else
        {
            Operands.WriteRegister<ulong>(s, i->Destination, selector);
        }
    }

    /// <summary>Events are held back for one instruction after a load of SS (SDM Vol. 3A 6.8.3).</summary>
    public static void BlockByMovSs(CpuState* s)
    {
        s->Interruptibility |= (byte)InterruptibilityState.BlockingByMovSs;
        BlockMode.Update(s);
    }

    private static SegmentRegister Number(ushort offset) =>
        (SegmentRegister)((offset - CpuState.SegmentOffset) / sizeof(SegmentCache));

    private static Outcome Load(CpuState* s, Instruction* i)
    {
        SegmentRegister register = Number(i->Destination);
        if (register == SegmentRegister.Cs)
        {
            return Faults.InvalidOpcode(s);
        }

        ushort selector;
        if ((i->Flags & InstructionFlags.Memory) == 0)
        {
            selector = Operands.Register<ushort>(s, i->Source);
        }
        else if (!Operands.LoadOperand(s, i, out selector))
        {
            return SlowAccess.Failure(s);
        }

        Outcome outcome = SegmentLoad.Load(s, register, selector);
        if (outcome == Outcome.Next && register == SegmentRegister.Ss)
        {
            BlockByMovSs(s);
        }

        return outcome;
    }

    private static Outcome Store(CpuState* s, Instruction* i)
    {
        ushort selector = ((SegmentCache*)((byte*)s + i->Source))->Selector;
        if ((i->Flags & InstructionFlags.Memory) != 0)
        {
            return Operands.StoreOperand(s, i, selector) ? Outcome.Next : SlowAccess.Failure(s);
        }

        WriteSelector(s, i, selector);
        return Outcome.Next;
    }

    private static Outcome Pop(CpuState* s, Instruction* i)
    {
        SegmentRegister register = Number(i->Destination);
        StackFrame stack = StackFrame.Current(s);
        if (!stack.Peek(0, 2, out ulong selector))
        {
            return SlowAccess.Failure(s);
        }

        stack.Skip(i->OperandSize);
        Outcome outcome = SegmentLoad.Load(s, register, (ushort)selector);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        // The stack pointer's width is that of the stack before the load.
        stack.Commit();
        if (register == SegmentRegister.Ss)
        {
            BlockByMovSs(s);
        }

        return Outcome.Next;
    }

    private static Outcome Push(CpuState* s, Instruction* i)
    {
        StackFrame stack = StackFrame.Current(s);
        if (!stack.Push(((SegmentCache*)((byte*)s + i->Destination))->Selector, i->OperandSize))
        {
            return SlowAccess.Failure(s);
        }

        stack.Commit();
        return Outcome.Next;
    }

    private static Outcome LoadEs(CpuState* s, Instruction* i) => LoadFar(s, i, SegmentRegister.Es);

    private static Outcome LoadDs(CpuState* s, Instruction* i) => LoadFar(s, i, SegmentRegister.Ds);

    private static Outcome LoadSs(CpuState* s, Instruction* i) => LoadFar(s, i, SegmentRegister.Ss);

    private static Outcome LoadFs(CpuState* s, Instruction* i) => LoadFar(s, i, SegmentRegister.Fs);

    private static Outcome LoadGs(CpuState* s, Instruction* i) => LoadFar(s, i, SegmentRegister.Gs);

    private static Outcome LoadFar(CpuState* s, Instruction* i, SegmentRegister register)
    {
        if (!FarPointer.Read(s, i, out ushort selector, out ulong offset))
        {
            return SlowAccess.Failure(s);
        }

        Outcome outcome = SegmentLoad.Load(s, register, selector);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        switch (i->OperandSize)
        {
            case 2:
                Operands.WriteRegister(s, i->Destination, (ushort)offset);
                break;
            case 4:
                Operands.WriteRegister(s, i->Destination, (uint)offset);
                break;
            default:
                Operands.WriteRegister(s, i->Destination, offset);
                break;
        }

        return Outcome.Next;
    }
}
