using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>Far JMP and CALL: direct, through call gates, to tasks (SDM Vol. 3A 5.8, 8.3; JMP and CALL pages).</summary>
internal static unsafe class FarTransfers
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Jmp_ptr1616, &JumpPointer);
        table.Set(Code.Jmp_ptr1632, &JumpPointer);
        table.Set(Code.Jmp_m1616, null, &JumpMemory);
        table.Set(Code.Jmp_m1632, null, &JumpMemory);
        table.Set(Code.Jmp_m1664, null, &JumpMemory);
        table.Set(Code.Call_ptr1616, &CallPointer);
        table.Set(Code.Call_ptr1632, &CallPointer);
        table.Set(Code.Call_m1616, null, &CallMemory);
        table.Set(Code.Call_m1632, null, &CallMemory);
        table.Set(Code.Call_m1664, null, &CallMemory);
    }

    private static Outcome JumpPointer(CpuState* s, Instruction* i) => Transfer(s, i, (ushort)(i->Immediate >> 32), (uint)i->Immediate, isCall: false);

    private static Outcome CallPointer(CpuState* s, Instruction* i) => Transfer(s, i, (ushort)(i->Immediate >> 32), (uint)i->Immediate, isCall: true);

    private static Outcome JumpMemory(CpuState* s, Instruction* i) => FarPointer.Read(s, i, out ushort selector, out ulong offset)
        ? Transfer(s, i, selector, offset, isCall: false)
        : SlowAccess.Failure(s);

    private static Outcome CallMemory(CpuState* s, Instruction* i) => FarPointer.Read(s, i, out ushort selector, out ulong offset)
        ? Transfer(s, i, selector, offset, isCall: true)
        : SlowAccess.Failure(s);

    private static Outcome Transfer(CpuState* s, Instruction* i, ushort selector, ulong offset, bool isCall)
    {
        if (ProcessorMode.UsesParagraphs(s))
        {
            return TransferToParagraph(s, i, selector, offset, isCall);
        }

        if (DescriptorTables.IsNull(selector))
        {
            return Faults.GeneralProtection(s);
        }

        Outcome outcome = DescriptorTables.Read(s, selector, ExceptionVector.GeneralProtection, out Descriptor descriptor);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if (descriptor.IsCode)
        {
            return TransferDirect(s, i, selector, offset, descriptor, isCall);
        }

        uint error = (uint)(selector & ~3);
        if (descriptor.IsCodeOrData || descriptor.Dpl < s->Cpl || descriptor.Dpl < (selector & 3))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, error);
        }

        bool isLong = ProcessorMode.IsLong(s);
        switch (descriptor.Type)
        {
            case SystemDescriptorType.CallGate:
            case SystemDescriptorType.CallGate16 when !isLong:
                return CallGate.Transfer(s, i, selector, descriptor, isCall);
            case SystemDescriptorType.TaskGate when !isLong:
                return descriptor.IsPresent
                    ? SwitchTask(s, i, descriptor.GateSelector, isCall)
                    : Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
            case SystemDescriptorType.AvailableTss when !isLong:
            case SystemDescriptorType.AvailableTss16 when !isLong:
                return SwitchTask(s, i, selector, isCall);
            default:
                return Faults.Raise(s, ExceptionVector.GeneralProtection, error);
        }
    }

    private static Outcome SwitchTask(CpuState* s, Instruction* i, ushort selector, bool isCall) =>
        TaskSwitch.Perform(s, new TaskSwitchRequest(selector, isCall ? TaskSwitchSource.Call : TaskSwitchSource.Jmp)
        {
            ReturnAddress = i->NextRip,
        });

    private static Outcome TransferToParagraph(CpuState* s, Instruction* i, ushort selector, ulong offset, bool isCall)
    {
        if (offset > s->Cs.Limit)
        {
            return Faults.GeneralProtection(s);
        }

        if (isCall)
        {
            StackFrame stack = StackFrame.Current(s);
            if (!stack.Push(s->Cs.Selector, i->OperandSize) || !stack.Push(i->NextRip, i->OperandSize))
            {
                return SlowAccess.Failure(s);
            }

            stack.Commit();
        }

        SegmentLoad.LoadParagraph(s, SegmentRegister.Cs, selector);
        s->Rip = offset;
        ProcessorMode.Changed(s);
        return Outcome.Branch;
    }

    private static Outcome TransferDirect(CpuState* s, Instruction* i, ushort selector, ulong offset, Descriptor code, bool isCall)
    {
        Outcome outcome = CodeSegment.CheckDirect(s, selector, ref code);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if (!CodeSegment.Contains(s, code, offset))
        {
            return Faults.GeneralProtection(s);
        }

        if (isCall)
        {
            StackFrame stack = StackFrame.Current(s);
            if (!stack.Push(s->Cs.Selector, i->OperandSize) || !stack.Push(i->NextRip, i->OperandSize))
            {
                return SlowAccess.Failure(s);
            }

            stack.Commit();
        }

        CodeSegment.Load(s, selector, code, s->Cpl, offset);
        return Outcome.Branch;
    }
}
