using System.Buffers.Binary;
using System.Text;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Instructions.X87;
using Vmm.Engine.Software.Instructions.Xsave;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Differential;
using Vmm.Engine.Software.Tests.Differential.Comparison;
using Vmm.Engine.Software.Tests.Differential.Native;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using Instruction = Iced.Intel.Instruction;
using Decoder = Iced.Intel.Decoder;

namespace Vmm.Engine.Software.Tests.X87;

/// <summary>All x87 instructions against the host processor, on random states: registers, tags, status, memory and #MF.</summary>
public sealed unsafe class HostComparisonTests
{
    private const int Cases = NativeProcessor.Capacity;
    private const int OperandSize = 112;

    // Polynomials differ between processors: these have tests of their own.
    private static readonly HashSet<Mnemonic> Approximate =
    [
        Mnemonic.Fsin, Mnemonic.Fcos, Mnemonic.Fsincos, Mnemonic.Fptan, Mnemonic.Fpatan, Mnemonic.F2xm1, Mnemonic.Fyl2x, Mnemonic.Fyl2xp1,
    ];

    // C1 is cleared (SDM Vol. 2A "FCOMI"), but some models leave it alone.
    private static readonly HashSet<Mnemonic> C1Differs = [Mnemonic.Fcomi, Mnemonic.Fcomip, Mnemonic.Fucomi, Mnemonic.Fucomip];

    public static TheoryData<int> Escapes => [0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF];

    [NativeTheory]
    [MemberData(nameof(Escapes))]
    public void Instructions_do_what_the_host_processor_does(int escape)
    {
        using NativeProcessor host = new();
        using TestMachine machine = new();
        StringBuilder differences = new();
        int seed = escape;
        for (int modrm = 0; modrm < 256; modrm++)
        {
            // Memory operands at RCX; every register form.
            if (modrm >= 0xC0 || (modrm & 0xC7) == 1)
            {
                byte[] code = [(byte)escape, (byte)modrm];
                Instruction instruction = Decode(code);
                if (instruction.Code != Code.INVALID)
                {
                    Compare(host, machine, code, instruction, seed++, differences);
                }
            }
        }

        Assert.True(differences.Length == 0, differences.ToString());
    }

    private static Instruction Decode(byte[] code)
    {
        Decoder decoder = Decoder.Create(64, code);
        decoder.Decode(out Instruction instruction);
        return instruction;
    }

    private static void Compare(NativeProcessor host, TestMachine machine, byte[] code, in Instruction instruction, int seed, StringBuilder differences)
    {
        X87Generator generator = new(seed);
        for (int n = 0; n < Cases; n++)
        {
            Prepare(host.Slot(n), generator, code, instruction);
        }

        host.Run(Cases);
        int count = 0;
        string first = "";
        for (int n = 0; n < Cases; n++)
        {
            CaseSlot* slot = host.Slot(n);
            Outcome outcome = RunHere(machine, slot, code);
            string? difference = Difference(machine, slot, outcome, instruction);
            if (difference != null)
            {
                count++;
                first = first.Length == 0 ? $"{difference}\n    {Describe(slot)}" : first;
            }
        }

        if (count != 0)
        {
            differences.AppendLine($"{instruction} ({Convert.ToHexString(code)}), seed {seed}: {count} of {Cases} cases; {first}");
        }
    }

    private static void Prepare(CaseSlot* slot, X87Generator generator, byte[] code, in Instruction instruction)
    {
        *slot = default;
        ref ProcessorImage input = ref slot->Input;
        input.Rip = CaseLayout.Code + 0x100;
        input.Rflags = 0x202 | (generator.Bits() & 0x8D5);
        input.CodeAddress = input.Rip;
        input.Cs = CaseLayout.Code64Selector;
        input.Ds = CaseLayout.DataSelector;
        input.Es = CaseLayout.DataSelector;
        input.Ss = CaseLayout.DataSelector;
        input.Gpr[1] = CaseLayout.Data;
        input.CodeLength = (ulong)code.Length;
        code.CopyTo(new Span<byte>(Pointer(ref input.Code[0]), code.Length));

        Span<byte> fx = new(Pointer(ref input.Fx[0]), ProcessorImage.FxSize);
        ushort control = generator.Control();
        int status = (generator.Below(8) << 11) | (int)(generator.Bits() & 0x4700);
        status |= generator.Below(3) == 0 ? generator.Below(64) & (generator.Below(8) == 0 ? 0x3F : control) : 0;
        status |= (status & ~control & 0x3F) != 0 ? 0x8080 : 0;
        BinaryPrimitives.WriteUInt16LittleEndian(fx, control);
        BinaryPrimitives.WriteUInt16LittleEndian(fx[2..], (ushort)status);
        fx[4] = generator.Below(3) == 0 ? (byte)generator.Bits() : generator.Below(2) == 0 ? (byte)0xFF : (byte)~(1 << (((status >> 11) + 7) & 7));
        BinaryPrimitives.WriteUInt32LittleEndian(fx[24..], 0x1F80);
        for (int n = 0; n < 8; n++)
        {
            (ulong significand, ushort signExponent) = generator.Extended();
            BinaryPrimitives.WriteUInt64LittleEndian(fx[(32 + (n * 16))..], significand);
            BinaryPrimitives.WriteUInt16LittleEndian(fx[(40 + (n * 16))..], signExponent);
        }

        KeepInDomain(fx[32..], instruction.Mnemonic);
        FillMemory(new Span<byte>(Pointer(ref slot->Memory[0]), OperandSize), generator, instruction.Mnemonic);
    }

    // Beyond 1 and 1 - √½ the results are undefined.
    private static void KeepInDomain(Span<byte> top, Mnemonic mnemonic)
    {
        int limit = mnemonic switch { Mnemonic.F2xm1 => 0x3FFF, Mnemonic.Fyl2xp1 => 0x3FFD, _ => 0x7FFF };
        ushort signExponent = BinaryPrimitives.ReadUInt16LittleEndian(top[8..]);
        int exponent = signExponent & 0x7FFF;
        if (exponent >= limit && exponent != 0x7FFF)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(top[8..], (ushort)((signExponent & 0x8000) | (limit - 1 - (exponent & 7))));
        }
    }

    private static void FillMemory(Span<byte> memory, X87Generator generator, Mnemonic mnemonic)
    {
        for (int n = 0; n < memory.Length; n += 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(memory[n..], generator.Bits());
        }

        BinaryPrimitives.WriteUInt64LittleEndian(memory, generator.Memory());
        if (mnemonic == Mnemonic.Fbld)
        {
            (ulong low, ushort high) = generator.Decimal();
            BinaryPrimitives.WriteUInt64LittleEndian(memory, low);
            BinaryPrimitives.WriteUInt16LittleEndian(memory[8..], high);
        }
    }

    private static byte* Pointer(ref byte place) => (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref place);

    private static Outcome RunHere(TestMachine machine, CaseSlot* slot, byte[] code)
    {
        CpuState* s = machine.State;
        ref ProcessorImage input = ref slot->Input;
        LegacyRegion.LoadX87(s, new Span<byte>(Pointer(ref input.Fx[0]), ProcessorImage.FxSize), wide: true);
        s->Gpr.Rax = input.Gpr[0];
        s->Gpr.Rcx = TestMachine.DataAddress;
        ArithmeticFlags.WriteRflags(s, input.Rflags);
        new Span<byte>(Pointer(ref slot->Memory[0]), OperandSize).CopyTo(machine.Memory.Bytes[(int)TestMachine.DataAddress..]);
        machine.Load(code);
        return machine.Step();
    }

    private static string? Difference(TestMachine machine, CaseSlot* slot, Outcome outcome, in Instruction instruction)
    {
        CpuState* s = machine.State;
        ref ProcessorImage expected = ref slot->Native;
        ulong vector = outcome == Outcome.Fault ? (ulong)s->FaultVector : (ulong)ExceptionVector.Breakpoint;
        if (vector != expected.Vector)
        {
            return $"exception {vector}, host {expected.Vector}";
        }

        if ((ushort)s->Gpr.Rax != (ushort)expected.Gpr[0])
        {
            return $"AX {s->Gpr.Rax:X4}, host {expected.Gpr[0]:X4}";
        }

        ulong flags = ArithmeticFlags.Read(s);
        if (flags != (expected.Rflags & ArithmeticFlags.All))
        {
            return $"flags {flags:X}, host {expected.Rflags & ArithmeticFlags.All:X}";
        }

        byte* image = stackalloc byte[LegacyRegion.Size];
        Span<byte> here = new(image, LegacyRegion.Size);
        LegacyRegion.StoreX87(s, here, wide: true);
        Span<byte> there = new(Pointer(ref expected.Fx[0]), ProcessorImage.FxSize);
        if (C1Differs.Contains(instruction.Mnemonic) || Approximate.Contains(instruction.Mnemonic))
        {
            here[3] &= 0xFD;
            there[3] &= 0xFD;
        }

        ushort undefined = Approximation.UndefinedStatus(instruction.Mnemonic, image, Pointer(ref expected.Fx[0]));
        here[2] &= (byte)~undefined;
        there[2] &= (byte)~undefined;
        here[3] &= (byte)(~undefined >> 8);
        there[3] &= (byte)(~undefined >> 8);

        if (!here[..6].SequenceEqual(there[..6]))
        {
            return $"control, status, tags {Words(here)}, host {Words(there)}";
        }

        for (int n = 0; n < 8; n++)
        {
            int offset = 32 + (n * 16);
            if (!Equal(here[offset..], there[offset..], Approximate.Contains(instruction.Mnemonic) ? 1 : 0))
            {
                return $"ST{n} {Real(here[offset..])}, host {Real(there[offset..])} (status {Words(here)}, host {Words(there)})";
            }
        }

        Span<byte> memory = machine.Memory.Bytes.Slice((int)TestMachine.DataAddress, OperandSize);
        Span<byte> hostMemory = new(Pointer(ref slot->NativeMemory[0]), OperandSize);
        if (instruction.Mnemonic is Mnemonic.Fnstenv or Mnemonic.Fnsave)
        {
            // The pointers to the last instruction differ between vendors.
            memory[12..28].Clear();
            hostMemory[12..28].Clear();
        }

        return memory.SequenceEqual(hostMemory) ? null : $"memory {Convert.ToHexString(memory)}, host {Convert.ToHexString(hostMemory)}";
    }

    /// <summary>Whether two data are the same, or differ by a few units in the last place.</summary>
    private static bool Equal(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, int tolerance)
    {
        if (tolerance == 0)
        {
            return a[..10].SequenceEqual(b[..10]);
        }

        // Neighbours across a power of two are neighbours here too: the leading bit of the significand is taken out.
        UInt128 x = Ordinal(a);
        UInt128 y = Ordinal(b);
        return (x > y ? x - y : y - x) <= (uint)tolerance;
    }

    private static UInt128 Ordinal(ReadOnlySpan<byte> value) =>
        ((UInt128)BinaryPrimitives.ReadUInt16LittleEndian(value[8..]) << 63) | (BinaryPrimitives.ReadUInt64LittleEndian(value) & long.MaxValue);

    private static string Words(ReadOnlySpan<byte> fx) =>
        $"{BinaryPrimitives.ReadUInt16LittleEndian(fx):X4} {BinaryPrimitives.ReadUInt16LittleEndian(fx[2..]):X4} {fx[4]:X2}";

    private static string Real(ReadOnlySpan<byte> value) =>
        $"{BinaryPrimitives.ReadUInt16LittleEndian(value[8..]):X4}:{BinaryPrimitives.ReadUInt64LittleEndian(value):X16}";

    private static string Describe(CaseSlot* slot)
    {
        ReadOnlySpan<byte> fx = new(Pointer(ref slot->Input.Fx[0]), ProcessorImage.FxSize);
        StringBuilder text = new($"from {Words(fx)}, memory {Convert.ToHexString(new ReadOnlySpan<byte>(Pointer(ref slot->Memory[0]), 10))},");
        for (int n = 0; n < 8; n++)
        {
            text.Append($" {Real(fx[(32 + (n * 16))..])}");
        }

        return text.ToString();
    }
}
