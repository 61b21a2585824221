namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>A processor's state as lines of text that two engines must agree on.</summary>
internal static class StateComparison
{
    private const uint Unusable = 0x1_0000;

    // Busy or accessed bits are the processor's; MISC_ENABLE describes the processor model.
    private static readonly uint[] DifferentByModel = [Msr.Ia32MiscEnable];

    public static IEnumerable<string> Describe(ProcessorState state)
    {
        GuestRegisters registers = state.Registers;
        for (int n = 0; n < 16; n++)
        {
            yield return $"{GeneralRegisterNames.Of(n)} = 0x{System.Runtime.CompilerServices.Unsafe.Add(ref registers.Rax, n):x}";
        }

        yield return $"RIP = 0x{state.Rip:x}, RFLAGS = 0x{state.Rflags & ~(ulong)RflagsBits.Rf:x}"; // EngineDifferences.ResumeFlag
        for (int n = 0; n < state.Segments.Length; n++)
        {
            SegmentState segment = state.Segments[n];
            yield return (segment.AccessRights & Unusable) != 0
                ? $"{(SegmentRegister)n} = 0x{segment.Selector:x}, unusable" // EngineDifferences.UnusableSegments
                : $"{(SegmentRegister)n} = 0x{segment.Selector:x}, base 0x{segment.Base:x}, limit 0x{segment.Limit:x}, rights 0x{segment.AccessRights:x}";
        }

        yield return $"GDTR {state.Gdtr}, IDTR {state.Idtr}";
        yield return $"CR0 = 0x{state.Cr0:x}, CR2 = 0x{state.Cr2:x}, CR3 = 0x{state.Cr3:x}, CR8 = 0x{state.Cr8:x}";
        yield return $"CR4 = 0x{state.Cr4 & ~(ulong)Cr4Bits.Vmxe:x}"; // EngineDifferences.ControlBitsAreNotFixed
        yield return $"XCR0 = 0x{state.Xcr0:x}, DR = {string.Join(' ', state.DebugRegisters.Select(value => $"0x{value:x}"))}";
        foreach (uint msr in state.Msrs.Keys.Except(DifferentByModel).Order())
        {
            yield return $"MSR 0x{msr:x} = 0x{state.Msrs[msr]:x}";
        }

        byte[] extended = [.. state.XsaveArea.Take(416)];
        extended.AsSpan(28, 4).Clear(); // MXCSR_MASK describes the processor model
        yield return $"XSAVE {Convert.ToHexString(extended)}";
        yield return $"interruptibility {state.Interruptibility}, activity {state.Activity}, event 0x{state.PendingEvent:x} code 0x{state.PendingEventErrorCode:x}";
    }
}
