using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>INVLPG and INVPCID (SDM Vol. 3A 4.10.4.1).</summary>
internal static unsafe class TranslationControl
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Invlpg_m, null, &InvalidatePage);
        table.Set(Code.Invpcid_r32_m128, null, &InvalidateContext);
        table.Set(Code.Invpcid_r64_m128, null, &InvalidateContext);
    }

    private static Outcome InvalidatePage(CpuState* s, Instruction* i)
    {
        if (s->Cpl != 0)
        {
            return Faults.GeneralProtection(s);
        }

        // The address is not accessed: limits do not matter, a non-canonical one is ignored.
        ulong linear = LinearMemory.FlatAddress(s, i);
        if ((i->Flags & InstructionFlags.Code64) == 0)
        {
            linear = (uint)linear;
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.Has(PrimaryProcessorBasedControls.InvlpgExiting))
        {
            Outcome outcome = nonRoot.Exit(i, ExitReason.Invlpg, linear);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        if (ProcessorMode.IsCanonical(linear))
        {
            LogicalProcessor.Of(s).Mmu.FlushPage(linear);
        }

        return Outcome.Next;
    }

    private static Outcome InvalidateContext(CpuState* s, Instruction* i)
    {
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.IsActive && !nonRoot.Has(SecondaryProcessorBasedControls.EnableInvpcid))
        {
            return Faults.InvalidOpcode(s);
        }

        if (s->Cpl != 0)
        {
            return Faults.GeneralProtection(s);
        }

        if (nonRoot.Has(PrimaryProcessorBasedControls.InvlpgExiting))
        {
            Outcome outcome = nonRoot.Exit(
                i, ExitReason.Invpcid, i->Displacement, InstructionInformation.Memory(i, Privilege.RegisterNumber(i->Destination)));
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        if (!Operands.ReadAddress(s, i, 16, out ulong address)
            || !LinearMemory.Load(s, address, out ulong pcid) || !LinearMemory.Load(s, address + 8, out ulong linear))
        {
            return SlowAccess.Failure(s);
        }

        ulong type = (i->Flags & InstructionFlags.Code64) != 0
            ? Operands.Register<ulong>(s, i->Destination)
            : Operands.Register<uint>(s, i->Destination);
        bool pcide = (s->Cr4 & (ulong)Cr4Bits.Pcide) != 0;
        bool badPcid = pcid > 0xFFF || (type <= 1 && pcid != 0 && !pcide);
        if (type > 3 || (type < 2 && badPcid) || (type >= 2 && pcid > 0xFFF) || (type == 0 && !ProcessorMode.IsCanonical(linear)))
        {
            return Faults.GeneralProtection(s);
        }

        Mmu mmu = LogicalProcessor.Of(s).Mmu;
        switch (type)
        {
            case 0:
                mmu.FlushPage((int)pcid, linear);
                break;
            case 1:
                mmu.FlushPcid((int)pcid);
                break;
            case 2:
                mmu.FlushAll();
                break;
            default:
                mmu.FlushNonGlobal();
                break;
        }

        return Outcome.Next;
    }
}
