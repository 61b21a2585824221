namespace Vmm.Kernel;

/// <summary>RDMSR and WRMSR: handlers' ranges first, then the kernel's registers, then a general-protection fault.</summary>
internal static class MsrExits
{
    public static VmExitAction Read(VirtualProcessor processor, ref VmExit exit)
    {
        ref GuestRegisters registers = ref processor.Registers;
        var index = (uint)registers.Rcx;
        bool known = processor.Machine.MsrHandlers.Find(index) is { } handler
            ? handler.Read(processor, index, out ulong value)
            : processor.Msrs.TryRead(index, out value);
        if (!known)
        {
            return Refuse(processor, $"RDMSR 0x{index:x}");
        }

        registers.Rax = (uint)value;
        registers.Rdx = value >> 32;
        return VmExitAction.NextInstruction;
    }

    public static VmExitAction Write(VirtualProcessor processor, ref VmExit exit)
    {
        ref GuestRegisters registers = ref processor.Registers;
        var index = (uint)registers.Rcx;
        ulong value = (registers.Rdx << 32) | (uint)registers.Rax;
        bool accepted = processor.Machine.MsrHandlers.Find(index) is { } handler
            ? handler.Write(processor, index, value)
            : processor.Msrs.TryWrite(index, value);
        return accepted ? VmExitAction.NextInstruction : Refuse(processor, $"WRMSR 0x{index:x} with 0x{value:x}");
    }

    private static VmExitAction Refuse(VirtualProcessor processor, string access)
    {
        processor.Machine.NoteRefusedMsr(access);
        processor.InjectException((byte)ExceptionVector.GeneralProtection, 0);
        return VmExitAction.Resume;
    }
}
