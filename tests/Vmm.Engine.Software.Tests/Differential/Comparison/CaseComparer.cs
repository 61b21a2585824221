using Iced.Intel;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>Compares what interpreter and host processor made of a case.</summary>
internal static unsafe class CaseComparer
{
    private const ulong ResumeFlag = 1UL << 16;

    // Linux reports every access beyond user space as if the page were present, to hide its own layout.
    private const ulong UserSpaceEnd = 0x7FFF_FFFF_F000;
    private const ulong PresentError = 1;

    private static readonly HashSet<Mnemonic> Images =
    [
        Mnemonic.Fldenv, Mnemonic.Fnstenv, Mnemonic.Frstor, Mnemonic.Fnsave, Mnemonic.Fxsave, Mnemonic.Fxsave64, Mnemonic.Fxrstor, Mnemonic.Fxrstor64,
        Mnemonic.Xsave, Mnemonic.Xsave64, Mnemonic.Xrstor, Mnemonic.Xrstor64,
    ];

    private static readonly HashSet<Mnemonic> MaskedStores =
        [Mnemonic.Vmaskmovps, Mnemonic.Vmaskmovpd, Mnemonic.Vpmaskmovd, Mnemonic.Vpmaskmovq];

    private static readonly string[] GeneralNames =
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

    /// <summary>
    /// The differences, one a line; none: they agree. Flags that instructions before the last left undefined are given.
    /// </summary>
    public static List<string> Compare(in Instruction instruction, CaseSlot* slot, ProcessorImage* interpreted, ReadOnlySpan<byte> memory, ulong undefinedBefore = 0)
    {
        List<string> differences = [];
        ProcessorImage* native = &slot->Native;
        bool isImage = Images.Contains(instruction.Mnemonic) || instruction.Mnemonic is Mnemonic.Maskmovdqu or Mnemonic.Vmaskmovdqu;
        if (native->Vector != interpreted->Vector)
        {
            if (SimultaneousFaults.MayEndEither(instruction, slot, interpreted, isImage))
            {
                return differences;
            }

            differences.Add($"end: interpreter {Ending(interpreted)}, native {Ending(native)}");
            return differences;
        }

        // Images are accessed in parts, in an order that is the processor's own: of two bad places either may fault first.
        CompareEnding(instruction, native, interpreted, isImage || SimultaneousFaults.IsAtSecondPlace(instruction, native), differences);
        if (UndefinedFlags.IsResultUndefined(instruction, &slot->Input))
        {
            return differences;
        }

        for (int n = 0; n < 16; n++)
        {
            ulong known = ~UndefinedRegisters.Of(instruction, slot, n);
            Compare(GeneralNames[n], interpreted->Gpr[n] & known, native->Gpr[n] & known, differences);
        }

        ulong undefined = native->Vector == CaseResult.Breakpoint
            ? UndefinedFlags.Of(instruction, &slot->Input) | undefinedBefore
            : UndefinedFlags.OfFault(instruction, slot);
        CompareFlags(interpreted->Rflags, native->Rflags, undefined, differences);
        Compare("cs", interpreted->Cs, native->Cs, differences);
        Compare("ss", interpreted->Ss, native->Ss, differences);
        Compare("ds", interpreted->Ds, native->Ds, differences);
        Compare("es", interpreted->Es, native->Es, differences);
        Compare("fs", interpreted->Fs, native->Fs, differences);
        Compare("gs", interpreted->Gs, native->Gs, differences);
        Compare("fs base", interpreted->FsBase, native->FsBase, differences);
        Compare("gs base", interpreted->GsBase, native->GsBase, differences);
        CompareFx(instruction, native->Vector, slot->Input.Fx, interpreted->Fx, native->Fx, differences);
        CompareVectors("xmm", instruction.Mnemonic, interpreted->Fx + FxImage.VectorRegisters, native->Fx + FxImage.VectorRegisters, differences);
        CompareVectors("upper half of ymm", instruction.Mnemonic, interpreted->UpperHalves, native->UpperHalves, differences);
        CompareMemory(instruction, slot, memory, differences);
        return differences;
    }

    private static void CompareEnding(in Instruction instruction, ProcessorImage* native, ProcessorImage* interpreted, bool isElsewhere, List<string> differences)
    {
        Compare("rip", interpreted->Rip, native->Vector == CaseResult.Breakpoint ? native->Rip - 1 : native->Rip, differences);
        if (native->Vector != CaseResult.Breakpoint && !isElsewhere)
        {
            ulong hidden = native->Vector == CaseResult.PageFault && native->Cr2 >= UserSpaceEnd ? PresentError : 0;
            Compare("error code", interpreted->ErrorCode & ~hidden, native->ErrorCode & ~hidden, differences);
            if (native->Vector == CaseResult.PageFault)
            {
                // Of a masked store the processor's maker chooses the byte that is reported.
                ulong known = MaskedStores.Contains(instruction.Mnemonic) ? ~(ulong)(CaseLayout.PageSize - 1) : ulong.MaxValue;
                Compare("cr2", interpreted->Cr2 & known, native->Cr2 & known, differences);
            }
        }
    }

    private static string Ending(ProcessorImage* image) =>
        image->Vector switch
        {
            CaseResult.PageFault => $"#PF({image->ErrorCode:x}) at {image->Cr2:x}, rip {image->Rip:x}",
            _ => $"{CaseResult.Name(image->Vector)}({image->ErrorCode:x}), rip {image->Rip:x}",
        };

    private static void CompareFlags(ulong interpreted, ulong native, ulong undefined, List<string> differences)
    {
        ulong different = (interpreted ^ native) & ~(undefined | ResumeFlag);
        if (different != 0)
        {
            differences.Add($"rflags: interpreter {interpreted:x}, native {native:x}, different {(RflagsNames)different} (undefined: {(RflagsNames)undefined})");
        }
    }

    // FOP, FIP and FDP are left out: processors differ in when they save them.
    private static void CompareFx(in Instruction instruction, ulong vector, byte* input, byte* interpreted, byte* native, List<string> differences)
    {
        Compare("fcw", *(ushort*)(interpreted + FxImage.ControlWord), *(ushort*)(native + FxImage.ControlWord), differences);
        ulong significand = *(ulong*)(input + FxImage.StackRegisters);
        ushort exponent = *(ushort*)(input + FxImage.StackRegisters + 8);
        if (!UndefinedConditions.IsStackUndefined(instruction.Mnemonic, vector) && !Approximation.IsOutOfRange(instruction.Mnemonic, exponent, significand))
        {
            CompareStack(instruction, vector, interpreted, native, differences);
        }

        Compare("mxcsr", *(uint*)(interpreted + FxImage.Mxcsr), *(uint*)(native + FxImage.Mxcsr), differences);
    }

    private static void CompareVectors(string name, Mnemonic mnemonic, byte* interpreted, byte* native, List<string> differences)
    {
        for (int n = 0; n < 16; n++)
        {
            UInt128 ours = *(UInt128*)(interpreted + (n * 16));
            UInt128 theirs = *(UInt128*)(native + (n * 16));
            if (ours != theirs && !Approximation.AreClose(mnemonic, ours, theirs))
            {
                differences.Add($"{name}{n}: interpreter {ours:x32}, native {theirs:x32}");
            }
        }
    }

    private static void CompareStack(in Instruction instruction, ulong vector, byte* interpreted, byte* native, List<string> differences)
    {
        bool mayBeMmx = UndefinedConditions.MayEnterMmxState(instruction, vector);
        ushort known = (ushort)~(UndefinedConditions.Of(instruction) | (mayBeMmx ? FxImage.TopMask : 0)
            | Approximation.UndefinedStatus(instruction.Mnemonic, interpreted, native));
        ushort ourStatus = *(ushort*)(interpreted + FxImage.StatusWord);
        ushort theirStatus = *(ushort*)(native + FxImage.StatusWord);
        Compare("fsw", (ulong)(ourStatus & known), (ulong)(theirStatus & known), differences);
        if (!mayBeMmx)
        {
            Compare("ftw", interpreted[FxImage.Tags], native[FxImage.Tags], differences);
        }

        // The image holds the registers from the top on. Where the top is not known, registers of the same number belong together.
        int rotation = mayBeMmx ? (ourStatus >> FxImage.TopShift) - (theirStatus >> FxImage.TopShift) : 0;
        for (int n = 0; n < 8; n++)
        {
            byte* ours = interpreted + FxImage.StackRegisters + (n * 16);
            byte* theirs = native + FxImage.StackRegisters + (((n + rotation) & 7) * 16);
            if ((*(ulong*)ours != *(ulong*)theirs || *(ushort*)(ours + 8) != *(ushort*)(theirs + 8))
                && !Approximation.AreClose(instruction.Mnemonic, *(ushort*)(ours + 8), *(ulong*)ours, *(ushort*)(theirs + 8), *(ulong*)theirs))
            {
                differences.Add($"st{n}/mm: interpreter {*(ushort*)(ours + 8):x4}:{*(ulong*)ours:x16}, native {*(ushort*)(theirs + 8):x4}:{*(ulong*)theirs:x16}");
            }
        }
    }

    private static void CompareMemory(in Instruction instruction, CaseSlot* slot, ReadOnlySpan<byte> memory, List<string> differences)
    {
        ReadOnlySpan<byte> native = new(slot->NativeMemory, CaseLayout.DataSize);
        if (memory.SequenceEqual(native))
        {
            return;
        }

        int shown = 0;
        for (int n = 0; n < CaseLayout.DataSize && shown < 8; n++)
        {
            ulong address = CaseLayout.Data + (ulong)n;
            if (memory[n] != native[n] && !UndefinedMemory.Contains(instruction, slot, address))
            {
                differences.Add($"byte at {address:x}: interpreter {memory[n]:x2}, native {native[n]:x2}, before {slot->Memory[n]:x2}");
                shown++;
            }
        }
    }

    private static void Compare(string name, ulong interpreted, ulong native, List<string> differences)
    {
        if (interpreted != native)
        {
            differences.Add($"{name}: interpreter {interpreted:x}, native {native:x}");
        }
    }

    [Flags]
    private enum RflagsNames : ulong
    {
        None = 0,
        CF = ArithmeticFlags.Carry,
        PF = ArithmeticFlags.Parity,
        AF = ArithmeticFlags.Adjust,
        ZF = ArithmeticFlags.Zero,
        SF = ArithmeticFlags.Sign,
        TF = 0x100,
        IF = 0x200,
        DF = 0x400,
        OF = ArithmeticFlags.Overflow,
    }
}
