namespace Vmm.Kernel;

/// <summary>Processor state after power-up, reset and INIT (SDM Vol. 3A table 10-1) and after a start-up IPI (11.4.4.1).</summary>
internal static class PowerOnState
{
    private const uint DataRights = 0x93, CodeRights = 0x9B, LdtRights = 0x82, BusyTssRights = 0x8B;

    /// <summary>State at the reset vector, F000:FFF0 with base FFFF0000.</summary>
    /// <param name="signature">EAX of CPUID leaf 1, which reset leaves in EDX.</param>
    public static ProcessorState Create(uint signature)
    {
        var state = new ProcessorState
        {
            Rip = 0xFFF0,
            Rflags = 2,
            Cr0 = (ulong)(Cr0Bits.Cd | Cr0Bits.Nw | Cr0Bits.Et),
            Gdtr = new DescriptorTableState(0, 0xFFFF),
            Idtr = new DescriptorTableState(0, 0xFFFF),
        };
        state.Registers.Rdx = signature;
        state.Segments.AsSpan(0, 6).Fill(new SegmentState(0, 0, 0xFFFF, DataRights));
        state.Segments[(int)SegmentRegister.Cs] = new SegmentState(0xF000, 0xFFFF_0000, 0xFFFF, CodeRights);
        state.Segments[(int)SegmentRegister.Ldtr] = new SegmentState(0, 0, 0xFFFF, LdtRights);
        state.Segments[(int)SegmentRegister.Tr] = new SegmentState(0, 0, 0xFFFF, BusyTssRights);
        state.DebugRegisters[6] = 0xFFFF_0FF0;
        state.DebugRegisters[7] = 0x400;
        state.Msrs[Msr.Ia32Pat] = 0x0007_0406_0007_0406; // SDM Vol. 3A 12.12.4
        state.Msrs[Msr.Ia32Efer] = 0;
        state.XsaveArea[0] = 0x7F; // FCW 0x037F, the FINIT value that INIT and boot loaders leave
        state.XsaveArea[1] = 0x03;
        state.XsaveArea[24] = 0x80; // MXCSR 0x1F80
        state.XsaveArea[25] = 0x1F;
        state.XsaveArea[512] = 3; // XSTATE_BV: x87 and SSE are there
        return state;
    }

    /// <summary>State in which a start-up IPI begins.</summary>
    /// <param name="signature">EAX of CPUID leaf 1.</param>
    /// <param name="vector">Page number of the first instruction.</param>
    public static ProcessorState CreateStartup(uint signature, byte vector)
    {
        ProcessorState state = Create(signature);
        state.Segments[(int)SegmentRegister.Cs] = new SegmentState((ushort)(vector << 8), (ulong)vector << 12, 0xFFFF, CodeRights);
        state.Rip = 0;
        return state;
    }
}
