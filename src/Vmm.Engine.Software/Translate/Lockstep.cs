using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using RflagsBits = Iced.Intel.RflagsBits;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// The run loop that trusts nobody: each block that can run twice is interpreted, taken back, run in translation, and the
/// two outcomes compared. The guest goes on with the interpreter's.
/// </summary>
internal sealed unsafe class Lockstep
{
    private readonly LogicalProcessor _processor;
    private readonly Translator _translator;
    private readonly WriteJournal _journal = new();
    private readonly byte[] _before = new byte[sizeof(CpuState)];
    private readonly byte[] _interpreted = new byte[sizeof(CpuState)];
    private readonly Dictionary<nint, Verdict> _verdicts = [];
    private long _clearings;

    public Lockstep(LogicalProcessor processor, Translator translator)
    {
        _processor = processor;
        _translator = translator;
    }

    /// <summary>Blocks compared so far.</summary>
    public long Compared { get; private set; }

    /// <summary>What is known of a block: whether it can run twice, and which flags it leaves undefined.</summary>
    private readonly record struct Verdict(bool IsComparable, RflagsBits Undefined);

    /// <summary>Runs the processor until it leaves the guest.</summary>
    /// <exception cref="InvalidOperationException">The two tiers disagree.</exception>
    public void Run()
    {
        CpuState* s = _processor.State;
        BlockCache blocks = _processor.Blocks;
        while (true)
        {
            if (s->EventPending != 0 && !Interpreter.ProcessEvents(_processor))
            {
                return;
            }

            Block* block = blocks.Next(blocks.None);
            if (block == null)
            {
                if (Interpreter.FetchFailed(_processor))
                {
                    continue;
                }

                return;
            }

            if (_clearings != blocks.Clearings)
            {
                _verdicts.Clear();
                _clearings = blocks.Clearings;
            }

            if (block->Native == null && BlockTranslator.Accepts(block))
            {
                if (!blocks.TryTranslate(block))
                {
                    continue;
                }

                _verdicts[(nint)block] = Judge(_translator.Steps);
            }

            bool compares = block->Native != null && _verdicts[(nint)block].IsComparable;
            Outcome outcome = compares ? Compare(block) : Interpret(block);
            if ((outcome != Outcome.Branch || (block->DecodedMode & BlockMode.Single) != 0)
                && !Interpreter.Finish(_processor, block, s->CurrentInstruction, outcome))
            {
                return;
            }
        }
    }

    private Outcome Interpret(Block* block)
    {
        CpuState* s = _processor.State;
        Decode.Instruction* i = Block.First(block);
        s->CurrentInstruction = i;
        Outcome outcome;
        while ((outcome = i->Execute(s, i)) == Outcome.Next)
        {
            s->CurrentInstruction = ++i;
        }

        return outcome;
    }

    private Outcome Compare(Block* block)
    {
        CpuState* s = _processor.State;
        Save(_before);
        byte* native = block->Native;
        _processor.Mmu.BeginJournal(_journal);
        Outcome outcome = Interpret(block);
        Decode.Instruction* last = s->CurrentInstruction;
        if (outcome != Outcome.Branch || _journal.ReachedDevice || block->Mode == BlockMode.None || IsInRepetition(s, last))
        {
            _processor.Mmu.EndJournal();
            return outcome;
        }

        Save(_interpreted);
        _journal.Undo();
        Restore(_before);
        _processor.Mmu.EndJournal();
        outcome = TieredExecution.RunNative(_translator, s, native, out _);
        if (outcome == Outcome.Branch && s->CurrentInstruction != null && IsInRepetition(s, s->CurrentInstruction))
        {
            _journal.Redo();
            Restore(_interpreted);
            _processor.Mmu.UpdatePrivilege();
            s->CurrentInstruction = last;
            return Outcome.Branch;
        }

        string? difference = outcome == Outcome.Branch ? Difference(_verdicts[(nint)block].Undefined) : $"outcome {outcome}";
        if (difference != null)
        {
            throw new InvalidOperationException(Report(block, difference));
        }

        Restore(_interpreted);
        _processor.Mmu.UpdatePrivilege();
        s->CurrentInstruction = last;
        Compared++;
        return Outcome.Branch;
    }

    // How far a repetition comes at once is up to the tier.
    private static bool IsInRepetition(CpuState* s, Decode.Instruction* last) =>
        s->Rip == last->Rip && (last->Flags & (InstructionFlags.Rep | InstructionFlags.Repne)) != 0;

    private void Save(byte[] image) => new ReadOnlySpan<byte>(_processor.State, image.Length).CopyTo(image);

    // Others may have set EventPending meanwhile.
    private void Restore(byte[] image)
    {
        int pending = Volatile.Read(ref _processor.State->EventPending);
        image.CopyTo(new Span<byte>(_processor.State, image.Length));
        _translator.ForgetImage();
        if (pending != 0 || Volatile.Read(ref _processor.State->EventPending) != 0)
        {
            Interlocked.Exchange(ref _processor.State->EventPending, 1);
        }
    }

    private string? Difference(RflagsBits undefined)
    {
        CpuState* native = _processor.State;
        fixed (byte* image = _interpreted)
        {
            CpuState* interpreted = (CpuState*)image;
            if (native->Rip != interpreted->Rip)
            {
                return $"RIP: translated {native->Rip:x}, interpreted {interpreted->Rip:x}";
            }

            for (int n = 0; n < RegisterMap.Count; n++)
            {
                ulong value = Unsafe.Add(ref native->Gpr.Rax, n);
                ulong expected = Unsafe.Add(ref interpreted->Gpr.Rax, n);
                if (value != expected)
                {
                    return $"{Register.RAX + n}: translated {value:x}, interpreted {expected:x}";
                }
            }

            ulong flags = (ArithmeticFlags.ReadRflags(native) ^ ArithmeticFlags.ReadRflags(interpreted)) & ~InRflags(undefined);
            if (flags != 0)
            {
                return $"RFLAGS: translated {ArithmeticFlags.ReadRflags(native):x}, interpreted {ArithmeticFlags.ReadRflags(interpreted):x}";
            }

            if (!SameSegments(native, interpreted))
            {
                return "segments, privilege or mode";
            }

            if (!HasTablesOfItsPrivilege())
            {
                return "TLB tables";
            }

            int vectors = CpuState.VectorOffset;
            if (!new ReadOnlySpan<byte>((byte*)native + vectors, 16 * CpuState.VectorStride).SequenceEqual(_interpreted.AsSpan(vectors, 16 * CpuState.VectorStride)))
            {
                return "vector registers";
            }

            if (native->Mxcsr != interpreted->Mxcsr)
            {
                return $"MXCSR: translated {native->Mxcsr:x}, interpreted {interpreted->Mxcsr:x}";
            }

            return X87Comparison.Difference(native, interpreted) ?? (_journal.IsRedone() ? null : "memory");
        }
    }

    private static bool SameSegments(CpuState* native, CpuState* interpreted)
    {
        int length = (int)((byte*)&native->GdtrBase - (byte*)&native->Es);
        return native->Cpl == interpreted->Cpl && native->BlockMode == interpreted->BlockMode
            && (uint)native->LocalJumpKey == native->BlockMode && (uint)native->GlobalJumpKey == native->BlockMode
            && new ReadOnlySpan<byte>(&native->Es, length).SequenceEqual(new ReadOnlySpan<byte>(&interpreted->Es, length))
            && new ReadOnlySpan<ulong>(native->SegmentBase, 8).SequenceEqual(new ReadOnlySpan<ulong>(interpreted->SegmentBase, 8));
    }

    // The interpreter ran with none: what the memory unit would choose must be what the translation has chosen.
    private bool HasTablesOfItsPrivilege()
    {
        CpuState* s = _processor.State;
        (nint Read, nint Write) chosen = ((nint)s->ReadTlb, (nint)s->WriteTlb);
        _processor.Mmu.UpdatePrivilege();
        return chosen == ((nint)s->ReadTlb, (nint)s->WriteTlb);
    }

    private static ulong InRflags(RflagsBits flags)
    {
        ReadOnlySpan<(RflagsBits Flag, ulong Bit)> places =
        [
            (RflagsBits.CF, ArithmeticFlags.Carry), (RflagsBits.PF, ArithmeticFlags.Parity), (RflagsBits.AF, ArithmeticFlags.Adjust),
            (RflagsBits.ZF, ArithmeticFlags.Zero), (RflagsBits.SF, ArithmeticFlags.Sign), (RflagsBits.OF, ArithmeticFlags.Overflow),
        ];
        ulong bits = 0;
        foreach ((RflagsBits flag, ulong bit) in places)
        {
            bits |= (flags & flag) != 0 ? bit : 0;
        }

        return bits;
    }

    // What has effects beyond registers and memory, or another result each time, runs once.
    private static Verdict Judge(ReadOnlySpan<Step> steps)
    {
        RflagsBits undefined = RflagsBits.None;
        foreach (ref readonly Step step in steps)
        {
            bool isOther = step.Kind == StepKind.InterpretedEnd || (step.Kind == StepKind.Interpret && (step.Source.HasRepPrefix || step.Source.HasRepnePrefix
                || step.Source.IsPrivileged || step.Source.Mnemonic is Mnemonic.Rdtsc or Mnemonic.Rdtscp or Mnemonic.Rdrand or Mnemonic.Rdseed or Mnemonic.Rdpmc));
            if (isOther)
            {
                return new Verdict(false, RflagsBits.None);
            }

            undefined = (undefined & ~step.Flags.Written) | (step.Source.RflagsUndefined & FlagUse.All);
        }

        return new Verdict(true, undefined);
    }

    private string Report(Block* block, string difference)
    {
        StringBuilder report = new($"The translator and the interpreter disagree about the block at {block->Rip:x}: {difference}.");
        NasmFormatter formatter = new();
        StringOutput output = new();
        Iced.Intel.Decoder decoder = Iced.Intel.Decoder.Create(64, new ByteArrayCodeReader(new ReadOnlySpan<byte>((byte*)block->Place, block->Length).ToArray()), block->Rip);
        while (decoder.IP < block->Rip + block->Length)
        {
            decoder.Decode(out Iced.Intel.Instruction instruction);
            formatter.Format(instruction, output);
            report.Append($"\n  {instruction.IP:x}  {output.ToStringAndReset()}");
        }

        fixed (byte* image = _before)
        {
            report.Append("\nbefore:");
            for (int n = 0; n < RegisterMap.Count; n++)
            {
                report.Append($" {Register.RAX + n}={Unsafe.Add(ref ((CpuState*)image)->Gpr.Rax, n):x}");
            }
        }

        return report.ToString();
    }
}
