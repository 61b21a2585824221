using Vmm.Vmx;

namespace Vmm.Machine.Boot;

/// <summary>Processor states in which boot protocols enter a kernel, with the descriptor tables that they need in memory.</summary>
internal static class StartState
{
    // Selectors that the Linux boot protocol names __BOOT_CS and __BOOT_DS.
    private const ushort CodeSelector = 0x10;
    private const ushort DataSelector = 0x18;
    private const ushort TaskSelector = 0x20;

    // Access rights in VMCS form, SDM Vol. 3C table 25-2.
    private const uint LongCode = 0xA09B;
    private const uint FlatCode = 0xC09B;
    private const uint FlatData = 0xC093;
    private const uint RealCode = 0x009B;
    private const uint RealData = 0x0093;
    private const uint BusyTask = 0x008B;
    private const uint Unusable = 0x1_0000;

    private const ulong ProtectionEnable = 1ul << 0;
    private const ulong ExtensionType = 1ul << 4;
    private const ulong NumericError = 1ul << 5;
    private const ulong Paging = 1ul << 31;
    private const ulong PhysicalAddressExtension = 1ul << 5;
    private const uint EferMsr = 0xC000_0080;
    private const ulong LongModeActive = 0x500;
    private const uint PatMsr = 0x277;

    /// <summary>Power-on value of IA32_PAT, SDM Vol. 3A table 13-12.</summary>
    private const ulong PatAtReset = 0x0007_0406_0007_0406;

    /// <summary>32-bit protected mode, flat segments, paging off, interrupts off.</summary>
    public static ProcessorState Protected(BootMemory memory, ulong entry)
    {
        ProcessorState state = New(entry);
        WriteGdt(memory, state, 0x00CF_9B00_0000_FFFF);
        state.Cr0 = ProtectionEnable | ExtensionType | NumericError;
        SetSegments(state, FlatCode);
        return state;
    }

    /// <summary>64-bit mode with the first 4 GiB mapped one to one, flat segments, interrupts off.</summary>
    public static ProcessorState Long(BootMemory memory, ulong entry)
    {
        ProcessorState state = New(entry);
        WriteGdt(memory, state, 0x00AF_9B00_0000_FFFF);
        WriteIdentityMap(memory);
        state.Cr0 = ProtectionEnable | ExtensionType | NumericError | Paging;
        state.Cr3 = BootArea.PageTables;
        state.Cr4 = PhysicalAddressExtension;
        state.Msrs[EferMsr] = LongModeActive;
        SetSegments(state, LongCode);
        return state;
    }

    /// <summary>Real mode: all data segments at <paramref name="dataSegment"/>, code at <paramref name="codeSegment"/>:0.</summary>
    public static ProcessorState Real(ushort codeSegment, ushort dataSegment, ushort stackPointer)
    {
        ProcessorState state = New(0);
        state.Cr0 = ExtensionType | NumericError;
        state.Registers.Rsp = stackPointer;
        Array.Fill(state.Segments, new SegmentState(dataSegment, (ulong)dataSegment << 4, 0xFFFF, RealData));
        state.Segments[(int)SegmentRegister.Cs] = new(codeSegment, (ulong)codeSegment << 4, 0xFFFF, RealCode);
        state.Segments[(int)SegmentRegister.Ldtr] = new(0, 0, 0xFFFF, Unusable);
        state.Segments[(int)SegmentRegister.Tr] = new(0, 0, 0xFFFF, BusyTask);
        state.Idtr = new(0, 0x3FF);
        return state;
    }

    private static ProcessorState New(ulong entry)
    {
        ProcessorState state = new() { Rip = entry };
        state.DebugRegisters[6] = 0xFFFF_0FF0;
        state.DebugRegisters[7] = 0x400;
        state.Msrs[EferMsr] = 0;
        state.Msrs[PatMsr] = PatAtReset;

        // x87 control word and MXCSR after FNINIT and at reset; a kernel may rely on neither, but a VMM must give some.
        state.XsaveArea[0] = 0x7F;
        state.XsaveArea[1] = 0x03;
        state.XsaveArea[24] = 0x80;
        state.XsaveArea[25] = 0x1F;
        state.XsaveArea[512] = 3; // XSTATE_BV: x87 and SSE are there
        return state;
    }

    private static void SetSegments(ProcessorState state, uint codeRights)
    {
        Array.Fill(state.Segments, new SegmentState(DataSelector, 0, 0xFFFF_FFFF, FlatData));
        state.Segments[(int)SegmentRegister.Cs] = new(CodeSelector, 0, 0xFFFF_FFFF, codeRights);
        state.Segments[(int)SegmentRegister.Ldtr] = new(0, 0, 0, Unusable);
        state.Segments[(int)SegmentRegister.Tr] = new(TaskSelector, 0, 0x67, BusyTask);
    }

    private static void WriteGdt(BootMemory memory, ProcessorState state, ulong code)
    {
        // Null, unused, code, data, and a busy TSS at 0 of the minimal length, 16 bytes long as in 64-bit mode.
        memory.WriteWords("GDT", BootArea.Gdt, 0, 0, code, 0x00CF_9300_0000_FFFF, 0x0000_8B00_0000_0067, 0);
        state.Gdtr = new(BootArea.Gdt, 6 * 8 - 1);
    }

    /// <summary>4 GiB in 2-MiB pages: 1-GiB pages are an optional feature (SDM Vol. 3A 4.5).</summary>
    private static void WriteIdentityMap(BootMemory memory)
    {
        const ulong presentAndWritable = 0x3;
        const ulong largePage = 0x83;
        const ulong pointers = BootArea.PageTables + 0x1000;
        const ulong directories = pointers + 0x1000;
        ulong[] directory = new ulong[4 * 512];
        for (int i = 0; i < directory.Length; i++)
        {
            directory[i] = ((ulong)i << 21) | largePage;
        }

        memory.Clear("page tables", BootArea.PageTables, 0x2000);
        memory.WriteWords("page tables", BootArea.PageTables, pointers | presentAndWritable);
        memory.WriteWords("page tables", pointers, directories | presentAndWritable, (directories + 0x1000) | presentAndWritable,
            (directories + 0x2000) | presentAndWritable, (directories + 0x3000) | presentAndWritable);
        memory.WriteWords("page tables", directories, directory);
    }
}
