using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>Rules and consequences of writes to CR0, CR3, CR4 and EFER (SDM Vol. 3A 2.5, 4.1, 4.10.4, 10.8.5; MOV CR page).</summary>
internal static unsafe class ControlRegisterWrites
{
    private const ulong Cr0Writable = (ulong)(Cr0Bits.Pe | Cr0Bits.Mp | Cr0Bits.Em | Cr0Bits.Ts | Cr0Bits.Ne | Cr0Bits.Wp
        | Cr0Bits.Am | Cr0Bits.Nw | Cr0Bits.Cd | Cr0Bits.Pg);

    private const ulong Paged = (ulong)Cr0Bits.Pg;
    private const ulong Pae = (ulong)Cr4Bits.Pae;

    public static Outcome WriteCr0(CpuState* s, ulong value)
    {
        if (value >> 32 != 0 && ProcessorMode.IsLong(s))
        {
            return Faults.GeneralProtection(s);
        }

        value = (value & Cr0Writable) | (ulong)Cr0Bits.Et;
        bool pe = (value & (ulong)Cr0Bits.Pe) != 0;
        bool pg = (value & Paged) != 0;
        if ((pg && !pe) || (value & (ulong)(Cr0Bits.Nw | Cr0Bits.Cd)) == (ulong)Cr0Bits.Nw || !AllowedByVmx(s, value))
        {
            return Faults.GeneralProtection(s);
        }

        ulong changed = s->Cr0 ^ value;
        bool pagingChanges = (changed & Paged) != 0;
        Outcome outcome = pagingChanges ? CheckPaging(s, value, pg) : Outcome.Next;
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        s->Cr0 = value;
        if (pagingChanges && (s->Efer & (ulong)EferBits.Lme) != 0)
        {
            s->Efer = pg ? s->Efer | (ulong)EferBits.Lma : s->Efer & ~(ulong)EferBits.Lma;
        }

        if ((changed & (Paged | (ulong)(Cr0Bits.Wp | Cr0Bits.Pe))) != 0)
        {
            LogicalProcessor.Of(s).Mmu.FlushAll();
        }

        ProcessorMode.Changed(s);
        return Outcome.Next;
    }

    private static Outcome CheckPaging(CpuState* s, ulong value, bool pg)
    {
        bool lme = (s->Efer & (ulong)EferBits.Lme) != 0;
        if (pg && lme)
        {
            // SDM Vol. 3A 10.8.5.1: PAE on, CS not a 64-bit segment, TR not a 16-bit TSS.
            if ((s->Cr4 & Pae) == 0 || s->Cs.IsLong || s->Tr.Type == SystemDescriptorType.BusyTss16)
            {
                return Faults.GeneralProtection(s);
            }
        }
        else if (!pg && (ProcessorMode.Is64Bit(s) || (s->Cr4 & (ulong)Cr4Bits.Pcide) != 0))
        {
            return Faults.GeneralProtection(s);
        }

        return pg && !lme && (s->Cr4 & Pae) != 0 ? LoadPdptes(s, s->Cr3) : Outcome.Next;
    }

    public static Outcome WriteCr3(CpuState* s, ulong value)
    {
        bool pcide = (s->Cr4 & (ulong)Cr4Bits.Pcide) != 0;
        bool keep = pcide && value >> 63 != 0;
        if (pcide)
        {
            value &= ~(1UL << 63);
        }

        if (ProcessorMode.IsLong(s) && value >> HostPhysicalMemory.AddressBits != 0)
        {
            return Faults.GeneralProtection(s);
        }

        if (UsesPdptes(s))
        {
            Outcome outcome = LoadPdptes(s, value);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        s->Cr3 = value;
        LogicalProcessor.Of(s).Mmu.LoadAddressSpace(keep);
        return Outcome.Next;
    }

    public static Outcome WriteCr4(CpuState* s, ulong value)
    {
        ulong vmxe = Privilege.NonRoot(s).IsActive ? (ulong)Cr4Bits.Vmxe : 0;
        ulong changed = s->Cr4 ^ value;
        bool isLong = ProcessorMode.IsLong(s);
        if ((value & ~((ulong)EngineCapabilities.Cr4 | vmxe)) != 0
            || (value & vmxe) != vmxe
            || (isLong && (value & Pae) == 0)
            || (!isLong && (value & (ulong)Cr4Bits.Pcide) != 0)
            || ((changed & value & (ulong)Cr4Bits.Pcide) != 0 && (s->Cr3 & 0xFFF) != 0))
        {
            return Faults.GeneralProtection(s);
        }

        const ulong Paging = (ulong)(Cr4Bits.Pae | Cr4Bits.Pse | Cr4Bits.Pge | Cr4Bits.Pcide | Cr4Bits.Smep | Cr4Bits.Smap);
        const ulong PdpteReload = (ulong)(Cr4Bits.Pae | Cr4Bits.Pse | Cr4Bits.Pge | Cr4Bits.Smep);
        if ((changed & PdpteReload) != 0 && (s->Cr0 & Paged) != 0 && (value & Pae) != 0 && !isLong)
        {
            Outcome outcome = LoadPdptes(s, s->Cr3);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        s->Cr4 = value;
        if ((changed & Paging) != 0)
        {
            LogicalProcessor.Of(s).Mmu.LoadAddressSpace(keep: false);
            LogicalProcessor.Of(s).Mmu.FlushAll();
        }

        ProcessorMode.Changed(s);
        return Outcome.Next;
    }

    /// <summary>WRMSR to EFER; LMA is read-only.</summary>
    public static Outcome WriteEfer(CpuState* s, ulong value)
    {
        const ulong Writable = (ulong)(EferBits.Sce | EferBits.Lme | EferBits.Nxe);
        const ulong Lma = (ulong)EferBits.Lma;
        if ((value & ~(Writable | Lma)) != 0
            || (((value ^ s->Efer) & (ulong)EferBits.Lme) != 0 && (s->Cr0 & Paged) != 0))
        {
            return Faults.GeneralProtection(s);
        }

        ulong changed = (value ^ s->Efer) & Writable;
        s->Efer = (value & Writable) | (s->Efer & Lma);
        if ((changed & (ulong)EferBits.Nxe) != 0)
        {
            LogicalProcessor.Of(s).Mmu.FlushAll();
        }

        return Outcome.Next;
    }

    private static bool UsesPdptes(CpuState* s) =>
        (s->Cr0 & Paged) != 0 && (s->Cr4 & Pae) != 0 && !ProcessorMode.IsLong(s);

    // SDM Vol. 3A 4.4.1: loaded with CR3, reserved bits of a present one are #GP.
    private static Outcome LoadPdptes(CpuState* s, ulong cr3)
    {
        const ulong Reserved = (ulong.MaxValue << HostPhysicalMemory.AddressBits) | 0x1E6;
        ulong* entries = stackalloc ulong[4];
        for (uint n = 0; n < 4; n++)
        {
            if (!LogicalProcessor.Of(s).Mmu.ReadGuestPhysical((cr3 & 0xFFFF_FFE0) + (n * 8), out entries[n]))
            {
                return SlowAccess.Failure(s);
            }

            if ((entries[n] & 1) != 0 && (entries[n] & Reserved) != 0)
            {
                return Faults.GeneralProtection(s);
            }
        }

        s->Pdpte0 = entries[0];
        s->Pdpte1 = entries[1];
        s->Pdpte2 = entries[2];
        s->Pdpte3 = entries[3];
        return Outcome.Next;
    }

    // SDM Vol. 3C 24.8: fixed bits; an unrestricted guest is free in PE and PG.
    private static bool AllowedByVmx(CpuState* s, ulong value)
    {
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (!nonRoot.IsActive)
        {
            return true;
        }

        ulong required = (ulong)Cr0Bits.Ne;
        if (!nonRoot.Has(SecondaryProcessorBasedControls.UnrestrictedGuest))
        {
            required |= (ulong)(Cr0Bits.Pe | Cr0Bits.Pg);
        }

        return (value & required) == required;
    }
}
