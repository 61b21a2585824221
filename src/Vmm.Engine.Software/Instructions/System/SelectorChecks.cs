using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>LAR, LSL, VERR, VERW, ARPL (SDM Vol. 3A 5.10).</summary>
internal static unsafe class SelectorChecks
{
    public static void Register(HandlerTable table)
    {
        foreach (Code code in (Code[])[Code.Lar_r16_rm16, Code.Lar_r32_r32m16, Code.Lar_r64_r64m16])
        {
            table.Set(code, &LoadAccessRights, &LoadAccessRights);
        }

        foreach (Code code in (Code[])[Code.Lsl_r16_rm16, Code.Lsl_r32_r32m16, Code.Lsl_r64_r64m16])
        {
            table.Set(code, &LoadSegmentLimit, &LoadSegmentLimit);
        }

        foreach (Code code in (Code[])[Code.Verr_rm16, Code.Verr_r32m16, Code.Verr_r64m16])
        {
            table.Set(code, &VerifyRead, &VerifyRead);
        }

        foreach (Code code in (Code[])[Code.Verw_rm16, Code.Verw_r32m16, Code.Verw_r64m16])
        {
            table.Set(code, &VerifyWrite, &VerifyWrite);
        }

        foreach (Code code in (Code[])[Code.Arpl_rm16_r16, Code.Arpl_r32m16_r32])
        {
            table.Set(code, &AdjustRpl, &AdjustRpl);
        }
    }

    private static Outcome LoadAccessRights(CpuState* s, Instruction* i)
    {
        Outcome outcome = Find(s, i, i->Source, out ushort selector, out Descriptor descriptor, out bool found);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        // LDT, TSS, call and task gates have rights; in IA-32e mode LDT, TSS and call gates only.
        int types = ProcessorMode.IsLong(s)
            ? 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12
            : 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 11 | 1 << 12;
        found = found && IsVisible(s, selector, descriptor, types);
        if (found)
        {
            Write(s, i, (uint)(descriptor.Value >> 32) & 0x00FF_FF00);
        }

        SetZero(s, found);
        return Outcome.Next;
    }

    private static Outcome LoadSegmentLimit(CpuState* s, Instruction* i)
    {
        Outcome outcome = Find(s, i, i->Source, out ushort selector, out Descriptor descriptor, out bool found);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        int types = ProcessorMode.IsLong(s) ? 1 << 2 | 1 << 9 | 1 << 11 : 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11;
        found = found && IsVisible(s, selector, descriptor, types);
        if (found)
        {
            Write(s, i, descriptor.Limit);
        }

        SetZero(s, found);
        return Outcome.Next;
    }

    private static Outcome VerifyRead(CpuState* s, Instruction* i)
    {
        Outcome outcome = Find(s, i, i->Destination, out ushort selector, out Descriptor descriptor, out bool found);
        if (outcome == Outcome.Next)
        {
            SetZero(s, found && (descriptor.IsData || descriptor.IsReadableCode) && IsVisible(s, selector, descriptor, 0));
        }

        return outcome;
    }

    private static Outcome VerifyWrite(CpuState* s, Instruction* i)
    {
        Outcome outcome = Find(s, i, i->Destination, out ushort selector, out Descriptor descriptor, out bool found);
        if (outcome == Outcome.Next)
        {
            SetZero(s, found && descriptor.IsWritableData && IsVisible(s, selector, descriptor, 0));
        }

        return outcome;
    }

    private static Outcome AdjustRpl(CpuState* s, Instruction* i)
    {
        if (Privilege.NeedsProtectedMode(s))
        {
            return Faults.InvalidOpcode(s);
        }

        bool memory = (i->Flags & InstructionFlags.Memory) != 0;
        ushort source = Operands.Register<ushort>(s, i->Source);
        ushort destination;
        if (!memory)
        {
            destination = Operands.Register<ushort>(s, i->Destination);
        }
        else if (!Operands.WriteAddress(s, i, 2, out ulong linear) || !SlowAccess.LoadForWrite(s, linear, out destination))
        {
            return SlowAccess.Failure(s);
        }

        bool raise = (destination & 3) < (source & 3);
        if (raise)
        {
            destination = (ushort)((destination & ~3) | (source & 3));
            if (!memory)
            {
                Operands.WriteRegister(s, i->Destination, destination);
            }
            else if (!Operands.StoreOperand(s, i, destination))
            {
                return SlowAccess.Failure(s);
            }
        }

        SetZero(s, raise);
        return Outcome.Next;
    }

    // A selector that names nothing clears ZF and never faults.
    private static Outcome Find(CpuState* s, Instruction* i, ushort register, out ushort selector, out Descriptor descriptor, out bool found)
    {
        selector = 0;
        descriptor = default;
        found = false;
        if (Privilege.NeedsProtectedMode(s))
        {
            return Faults.InvalidOpcode(s);
        }

        if ((i->Flags & InstructionFlags.Memory) == 0)
        {
            selector = Operands.Register<ushort>(s, register);
        }
        else if (!Operands.LoadOperand(s, i, out selector))
        {
            return SlowAccess.Failure(s);
        }

        if (DescriptorTables.IsNull(selector) || !DescriptorTables.TryLocate(s, selector, 8, out ulong address))
        {
            return Outcome.Next;
        }

        found = true;
        return DescriptorTables.ReadAt(s, address, out descriptor);
    }

    private static bool IsVisible(CpuState* s, ushort selector, Descriptor descriptor, int systemTypes)
    {
        if (!descriptor.IsCodeOrData && (systemTypes & (1 << descriptor.Type)) == 0)
        {
            return false;
        }

        return (descriptor.IsCode && descriptor.IsConforming) || (s->Cpl <= descriptor.Dpl && (selector & 3) <= descriptor.Dpl);
    }

    private static void Write(CpuState* s, Instruction* i, uint value)
    {
        if (i->OperandSize == 2)
        {
            Operands.WriteRegister(s, i->Destination, (ushort)value);
        }
        else
        {
            Operands.WriteRegister(s, i->Destination, value);
        }
    }

    private static void SetZero(CpuState* s, bool zero)
    {
        ulong flags = ArithmeticFlags.Read(s);
        ArithmeticFlags.Write(s, zero ? flags | ArithmeticFlags.Zero : flags & ~ArithmeticFlags.Zero);
    }
}
