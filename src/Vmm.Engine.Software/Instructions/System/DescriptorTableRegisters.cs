using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>LGDT, LIDT, LLDT, LTR and their stores (SDM Vol. 3A 2.8.1).</summary>
internal static unsafe class DescriptorTableRegisters
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Lgdt_m1632_16, null, &LoadGdtr16);
        table.Set(Code.Lgdt_m1632, null, &LoadGdtr);
        table.Set(Code.Lgdt_m1664, null, &LoadGdtr);
        table.Set(Code.Lidt_m1632_16, null, &LoadIdtr16);
        table.Set(Code.Lidt_m1632, null, &LoadIdtr);
        table.Set(Code.Lidt_m1664, null, &LoadIdtr);
        table.Set(Code.Sgdt_m1632_16, null, &StoreGdtr);
        table.Set(Code.Sgdt_m1632, null, &StoreGdtr);
        table.Set(Code.Sgdt_m1664, null, &StoreGdtr);
        table.Set(Code.Sidt_m1632_16, null, &StoreIdtr);
        table.Set(Code.Sidt_m1632, null, &StoreIdtr);
        table.Set(Code.Sidt_m1664, null, &StoreIdtr);
        table.Set(Code.Lldt_rm16, &LoadLdtr, &LoadLdtr);
        table.Set(Code.Lldt_r32m16, &LoadLdtr, &LoadLdtr);
        table.Set(Code.Lldt_r64m16, &LoadLdtr, &LoadLdtr);
        table.Set(Code.Ltr_rm16, &LoadTr, &LoadTr);
        table.Set(Code.Ltr_r32m16, &LoadTr, &LoadTr);
        table.Set(Code.Ltr_r64m16, &LoadTr, &LoadTr);
        table.Set(Code.Sldt_rm16, &StoreLdtr, &StoreLdtr);
        table.Set(Code.Sldt_r32m16, &StoreLdtr, &StoreLdtr);
        table.Set(Code.Sldt_r64m16, &StoreLdtr, &StoreLdtr);
        table.Set(Code.Str_rm16, &StoreTr, &StoreTr);
        table.Set(Code.Str_r32m16, &StoreTr, &StoreTr);
        table.Set(Code.Str_r64m16, &StoreTr, &StoreTr);
    }

    private static Outcome LoadGdtr16(CpuState* s, Instruction* i) => LoadTable(s, i, isGdt: true, 0xFF_FFFF);

    private static Outcome LoadGdtr(CpuState* s, Instruction* i) => LoadTable(s, i, isGdt: true, uint.MaxValue);

    private static Outcome LoadIdtr16(CpuState* s, Instruction* i) => LoadTable(s, i, isGdt: false, 0xFF_FFFF);

    private static Outcome LoadIdtr(CpuState* s, Instruction* i) => LoadTable(s, i, isGdt: false, uint.MaxValue);

    private static Outcome LoadTable(CpuState* s, Instruction* i, bool isGdt, uint baseMask)
    {
        if (!Privilege.IsSupervisor(s))
        {
            return Faults.GeneralProtection(s);
        }

        Outcome outcome = ExitForTable(s, i, isGdt, isLoad: true);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        bool wide = (i->Flags & InstructionFlags.Code64) != 0;
        if (!Operands.ReadAddress(s, i, wide ? 10 : 6, out ulong linear)
            || !LinearMemory.Load(s, linear, out ushort limit))
        {
            return SlowAccess.Failure(s);
        }

        ulong address;
        if (wide)
        {
            if (!LinearMemory.Load(s, linear + 2, out address))
            {
                return SlowAccess.Failure(s);
            }

            if (!ProcessorMode.IsCanonical(address))
            {
                return Faults.GeneralProtection(s);
            }
        }
        else
        {
            if (!LinearMemory.Load(s, linear + 2, out uint narrow))
            {
                return SlowAccess.Failure(s);
            }

            address = narrow & baseMask;
        }

        if (isGdt)
        {
            s->GdtrBase = address;
            s->GdtrLimit = limit;
        }
        else
        {
            s->IdtrBase = address;
            s->IdtrLimit = limit;
        }

        return Outcome.Next;
    }

    private static Outcome StoreGdtr(CpuState* s, Instruction* i) => StoreTable(s, i, isGdt: true);

    private static Outcome StoreIdtr(CpuState* s, Instruction* i) => StoreTable(s, i, isGdt: false);

    private static Outcome StoreTable(CpuState* s, Instruction* i, bool isGdt)
    {
        if (Privilege.IsPrevented(s))
        {
            return Faults.GeneralProtection(s);
        }

        Outcome outcome = ExitForTable(s, i, isGdt, isLoad: false);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        bool wide = (i->Flags & InstructionFlags.Code64) != 0;
        ulong address = isGdt ? s->GdtrBase : s->IdtrBase;
        ushort limit = isGdt ? s->GdtrLimit : s->IdtrLimit;

        // The base first: when it can be written the limit, at a lower address, mostly can too.
        bool done = Operands.WriteAddress(s, i, wide ? 10 : 6, out ulong linear)
            && (wide ? LinearMemory.Store(s, linear + 2, address) : LinearMemory.Store(s, linear + 2, (uint)address))
            && LinearMemory.Store(s, linear, limit);
        return done ? Outcome.Next : SlowAccess.Failure(s);
    }

    private static Outcome LoadLdtr(CpuState* s, Instruction* i)
    {
        Outcome outcome = ReadSelector(s, i, 2, out ushort selector);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if (DescriptorTables.IsNull(selector))
        {
            s->Ldtr = SegmentLoad.NullSegment(selector);
            return Outcome.Next;
        }

        outcome = ReadSystemSegment(s, selector, out Descriptor descriptor, out ulong upper);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        uint error = (uint)(selector & ~3);
        if (!descriptor.IsSystem(SystemDescriptorType.Ldt))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, error);
        }

        if (!descriptor.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
        }

        SegmentCache cache = descriptor.ToSegment(selector);
        cache.Base |= upper << 32;
        s->Ldtr = cache;
        return Outcome.Next;
    }

    private static Outcome LoadTr(CpuState* s, Instruction* i)
    {
        Outcome outcome = ReadSelector(s, i, 3, out ushort selector);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        uint error = (uint)(selector & ~3);
        if (DescriptorTables.IsNull(selector))
        {
            return Faults.GeneralProtection(s);
        }

        outcome = ReadSystemSegment(s, selector, out Descriptor descriptor, out ulong upper);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        bool is16Bit = descriptor.IsSystem(SystemDescriptorType.AvailableTss16) && !ProcessorMode.IsLong(s);
        if (!descriptor.IsSystem(SystemDescriptorType.AvailableTss) && !is16Bit)
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, error);
        }

        if (!descriptor.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
        }

        DescriptorTables.TryLocate(s, selector, 8, out ulong address);
        SegmentCache cache = descriptor.ToSegment(selector);
        cache.Base |= upper << 32;
        cache.AccessRights |= 2;
        if (!SystemAccess.Write(s, address + 5, (byte)cache.AccessRights))
        {
            return SlowAccess.Failure(s);
        }

        s->Tr = cache;
        return Outcome.Next;
    }

    // Checks of mode and privilege, the exit, and the selector operand.
    private static Outcome ReadSelector(CpuState* s, Instruction* i, int exitIdentity, out ushort selector)
    {
        selector = 0;
        if (Privilege.NeedsProtectedMode(s))
        {
            return Faults.InvalidOpcode(s);
        }

        if (!Privilege.IsSupervisor(s))
        {
            return Faults.GeneralProtection(s);
        }

        Outcome outcome = ExitForSelector(s, i, exitIdentity);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if ((i->Flags & InstructionFlags.Memory) != 0)
        {
            return Operands.LoadOperand(s, i, out selector) ? CheckGlobal(s, selector) : SlowAccess.Failure(s);
        }

        selector = Operands.Register<ushort>(s, i->Destination);
        return CheckGlobal(s, selector);
    }

    private static Outcome CheckGlobal(CpuState* s, ushort selector) => (selector & 4) == 0
        ? Outcome.Next
        : Faults.Raise(s, ExceptionVector.GeneralProtection, (uint)(selector & ~3));

    // 16 bytes in IA-32e mode (SDM Vol. 3A 8.2.3), of which the upper half must be within the table too.
    private static Outcome ReadSystemSegment(CpuState* s, ushort selector, out Descriptor descriptor, out ulong upper)
    {
        upper = 0;
        descriptor = default;
        bool wide = ProcessorMode.IsLong(s);
        if (!DescriptorTables.TryLocate(s, selector, wide ? 16 : 8, out ulong address))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, (uint)(selector & ~3));
        }

        Outcome outcome = DescriptorTables.ReadAt(s, address, out descriptor);
        if (outcome != Outcome.Next || !wide)
        {
            return outcome;
        }

        if (!SystemAccess.Read(s, address + 8, out upper))
        {
            return SlowAccess.Failure(s);
        }

        bool valid = (upper >> 40 & 0x1F) == 0 && ProcessorMode.IsCanonical(upper << 32 | descriptor.Base);
        upper = (uint)upper;
        return valid ? Outcome.Next : Faults.Raise(s, ExceptionVector.GeneralProtection, (uint)(selector & ~3));
    }

    private static Outcome StoreLdtr(CpuState* s, Instruction* i) => StoreSelector(s, i, s->Ldtr.Selector, 0);

    private static Outcome StoreTr(CpuState* s, Instruction* i) => StoreSelector(s, i, s->Tr.Selector, 1);

    private static Outcome StoreSelector(CpuState* s, Instruction* i, ushort selector, int exitIdentity)
    {
        if (Privilege.NeedsProtectedMode(s))
        {
            return Faults.InvalidOpcode(s);
        }

        if (Privilege.IsPrevented(s))
        {
            return Faults.GeneralProtection(s);
        }

        Outcome outcome = ExitForSelector(s, i, exitIdentity);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if ((i->Flags & InstructionFlags.Memory) != 0)
        {
            return Operands.StoreOperand(s, i, selector) ? Outcome.Next : SlowAccess.Failure(s);
        }

        SegmentRegisters.WriteSelector(s, i, selector);
        return Outcome.Next;
    }

    // Identities: 0 SGDT, 1 SIDT, 2 LGDT, 3 LIDT (SDM Vol. 3C table 28-11).
    private static Outcome ExitForTable(CpuState* s, Instruction* i, bool isGdt, bool isLoad)
    {
        NonRoot nonRoot = Privilege.NonRoot(s);
        return nonRoot.Has(SecondaryProcessorBasedControls.DescriptorTableExiting)
            ? nonRoot.Exit(i, ExitReason.GdtrOrIdtrAccess, i->Displacement, InstructionInformation.Memory(i, (isGdt ? 0 : 1) + (isLoad ? 2 : 0)))
            : Outcome.Next;
    }

    // Identities: 0 SLDT, 1 STR, 2 LLDT, 3 LTR (table 28-12).
    private static Outcome ExitForSelector(CpuState* s, Instruction* i, int identity)
    {
        NonRoot nonRoot = Privilege.NonRoot(s);
        return nonRoot.Has(SecondaryProcessorBasedControls.DescriptorTableExiting)
            ? nonRoot.Exit(i, ExitReason.LdtrOrTrAccess, i->Displacement, InstructionInformation.Of(i, identity))
            : Outcome.Next;
    }
}
