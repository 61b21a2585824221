namespace Vmm.Kernel;

/// <summary>Accesses to guest-physical addresses that are no memory: device registers, or nothing.</summary>
internal static class EptViolations
{
    public static VmExitAction Handle(VirtualProcessor processor, ref VmExit exit)
    {
        ulong address = exit.GuestPhysicalAddress;
        if (exit.Access == VmExitAccess.None)
        {
            return NoMemory(processor, ref exit);
        }

        ulong apicOffset = address - processor.Apic.PageAddress;
        if (apicOffset < LocalApic.PageSize && processor.Apic.HasPage)
        {
            AccessApic(processor.Apic, (uint)apicOffset, ref exit);
        }
        else if (exit.Access == VmExitAccess.Read)
        {
            exit.Data = processor.Machine.Mmio.Read(address, exit.Width);
        }
        else if (!IsRom(processor, address) || processor.Machine.Mmio.IsClaimed(address))
        {
            processor.Machine.Mmio.Write(address, exit.Width, exit.Data);
        }

        return VmExitAction.Complete;
    }

    private static void AccessApic(LocalApic apic, uint offset, ref VmExit exit)
    {
        if (exit.Access == VmExitAccess.Read)
        {
            exit.Data = apic.ReadPage(offset, exit.Width);
        }
        else
        {
            apic.WritePage(offset, exit.Width, (uint)exit.Data);
        }
    }

    private static bool IsRom(VirtualProcessor processor, ulong address) =>
        processor.Machine.Memory.Find(address, 1) is { Physical.ReadOnly: true };

    /// <summary>
    /// The access is no load or store of an instruction: it fetches code, or walks page tables, where no memory is. On a
    /// real bus the fetch reads ones, an invalid instruction, and the walk reads reserved bits that are set.
    /// </summary>
    private static VmExitAction NoMemory(VirtualProcessor processor, ref VmExit exit)
    {
        if (processor.IsMemoryMapStale)
        {
            processor.ReinjectEvent();
            return VmExitAction.Resume; // the tables were rebuilt: try again with the new ones
        }

        if (processor.WasDeliveringEvent())
        {
            processor.TripleFault();
            return VmExitAction.Leave;
        }

        var qualification = new EptViolationQualification(exit.Qualification);
        if (qualification.IsLinearAddressValid && !qualification.IsTranslated)
        {
            processor.InjectPageFault(exit.GuestLinearAddress, qualification.Access);
        }
        else
        {
            processor.NoteFetchFromNowhere(exit.GuestPhysicalAddress);
            processor.InjectException((byte)ExceptionVector.InvalidOpcode, null);
        }

        return VmExitAction.Resume;
    }
}
