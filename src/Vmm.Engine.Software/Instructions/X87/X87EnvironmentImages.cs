using System.Buffers.Binary;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>
/// FNSTENV, FLDENV, FNSAVE and FRSTOR: the environment in 14 or 28 bytes, in protected- or real-mode format, and the
/// registers behind it (SDM Vol. 1 8.1.10). FCS and FDS are deprecated: zeros.
/// </summary>
internal static unsafe class X87EnvironmentImages
{
    private const int RegisterSize = 10;
    private const int RegistersSize = 8 * RegisterSize;
    private const int WideSize = 28;
    private const int NarrowSize = 14;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Fnstenv_m14byte, null, &StoreNarrow);
        table.Set(Code.Fnstenv_m28byte, null, &StoreWide);
        table.Set(Code.Fldenv_m14byte, null, &LoadNarrow);
        table.Set(Code.Fldenv_m28byte, null, &LoadWide);
        table.Set(Code.Fnsave_m94byte, null, &SaveNarrow);
        table.Set(Code.Fnsave_m108byte, null, &SaveWide);
        table.Set(Code.Frstor_m94byte, null, &RestoreNarrow);
        table.Set(Code.Frstor_m108byte, null, &RestoreWide);
    }

    private static Outcome StoreNarrow(CpuState* s, Instruction* i) => Store(s, i, wide: false);

    private static Outcome StoreWide(CpuState* s, Instruction* i) => Store(s, i, wide: true);

    private static Outcome LoadNarrow(CpuState* s, Instruction* i) => Load(s, i, wide: false);

    private static Outcome LoadWide(CpuState* s, Instruction* i) => Load(s, i, wide: true);

    private static Outcome SaveNarrow(CpuState* s, Instruction* i) => Save(s, i, wide: false);

    private static Outcome SaveWide(CpuState* s, Instruction* i) => Save(s, i, wide: true);

    private static Outcome RestoreNarrow(CpuState* s, Instruction* i) => Restore(s, i, wide: false);

    private static Outcome RestoreWide(CpuState* s, Instruction* i) => Restore(s, i, wide: true);

    private static Outcome Store(CpuState* s, Instruction* i, bool wide)
    {
        Span<byte> image = stackalloc byte[wide ? WideSize : NarrowSize];
        PutEnvironment(s, image, wide);
        if (!StoreImage(s, i, image))
        {
            return SlowAccess.Failure(s);
        }

        // A handler that stores the environment first is not to be disturbed while it works (SDM Vol. 2A "FSTENV").
        X87Control.SetControl(s, (ushort)(s->FpuControl | (int)FloatExceptions.All));
        return Outcome.Next;
    }

    private static Outcome Save(CpuState* s, Instruction* i, bool wide)
    {
        int size = wide ? WideSize : NarrowSize;
        Span<byte> image = stackalloc byte[size + RegistersSize];
        PutEnvironment(s, image[..size], wide);
        for (int n = 0; n < 8; n++)
        {
            Span<byte> register = image[(size + (n * RegisterSize))..];
            ExtendedReal value = X87Registers.Read(s, n);
            BinaryPrimitives.WriteUInt64LittleEndian(register, value.Significand);
            BinaryPrimitives.WriteUInt16LittleEndian(register[8..], value.SignExponent);
        }

        if (!StoreImage(s, i, image))
        {
            return SlowAccess.Failure(s);
        }

        X87Control.Initialize(s);
        return Outcome.Next;
    }

    private static Outcome Load(CpuState* s, Instruction* i, bool wide)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        Span<byte> image = stackalloc byte[wide ? WideSize : NarrowSize];
        if (!LoadImage(s, i, image))
        {
            return SlowAccess.Failure(s);
        }

        TakeEnvironment(s, image, wide);
        return Outcome.Next;
    }

    private static Outcome Restore(CpuState* s, Instruction* i, bool wide)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        int size = wide ? WideSize : NarrowSize;
        Span<byte> image = stackalloc byte[size + RegistersSize];
        if (!LoadImage(s, i, image))
        {
            return SlowAccess.Failure(s);
        }

        TakeEnvironment(s, image[..size], wide);
        for (int n = 0; n < 8; n++)
        {
            ReadOnlySpan<byte> register = image[(size + (n * RegisterSize))..];
            X87Registers.Physical(s, (s->FpuTop + n) & 7) =
                new(BinaryPrimitives.ReadUInt64LittleEndian(register), BinaryPrimitives.ReadUInt16LittleEndian(register[8..]));
        }

        return Outcome.Next;
    }

    private static bool IsRealMode(CpuState* s) =>
        (s->Cr0 & (ulong)Cr0Bits.Pe) == 0 || (s->SystemFlags & (ulong)RflagsBits.Vm) != 0;

    private static void PutEnvironment(CpuState* s, Span<byte> image, bool wide)
    {
        uint instruction = (uint)s->FpuLastInstruction;
        uint data = (uint)s->FpuLastData;
        bool real = IsRealMode(s);
        ReadOnlySpan<uint> words = real
            ? [s->FpuControl, X87Control.Status(s), X87Control.Tags(s),
                instruction & 0xFFFF, Upper(instruction, wide) | s->FpuLastOpcode, data & 0xFFFF, Upper(data, wide)]
            : [s->FpuControl, X87Control.Status(s), X87Control.Tags(s),
                instruction, wide ? (uint)s->FpuLastOpcode << 16 : 0, data, 0];
        for (int n = 0; n < words.Length; n++)
        {
            if (wide)
            {
                // Reserved halves are stored as ones.
                uint reserved = n < 3 || n == 6 || (real && n is 3 or 5) ? 0xFFFF_0000 : 0;
                uint value = real && n == 6 ? words[n] : words[n] | reserved;
                BinaryPrimitives.WriteUInt32LittleEndian(image[(n * 4)..], value);
            }
            else
            {
                BinaryPrimitives.WriteUInt16LittleEndian(image[(n * 2)..], (ushort)words[n]);
            }
        }
    }

    /// <summary>The upper bits of a pointer at their place in the real-mode format: 16 from bit 12 of 32 bits, 4 from bit 12 of 16.</summary>
    private static uint Upper(uint pointer, bool wide) => wide ? pointer >> 16 << 12 : (pointer >> 16 & 15) << 12;

    private static void TakeEnvironment(CpuState* s, ReadOnlySpan<byte> image, bool wide)
    {
        Span<uint> words = stackalloc uint[7];
        for (int n = 0; n < words.Length; n++)
        {
            words[n] = wide ? BinaryPrimitives.ReadUInt32LittleEndian(image[(n * 4)..]) : BinaryPrimitives.ReadUInt16LittleEndian(image[(n * 2)..]);
        }

        X87Control.SetControl(s, (ushort)words[0]);
        X87Control.SetStatus(s, (ushort)words[1]);
        X87Control.SetTags(s, (ushort)words[2]);
        s->FpuLastCs = 0;
        s->FpuLastDs = 0;
        if (IsRealMode(s))
        {
            s->FpuLastInstruction = (ushort)words[3] | Upper(words[4]);
            s->FpuLastData = (ushort)words[5] | Upper(words[6]);
            s->FpuLastOpcode = (ushort)(words[4] & X87Control.OpcodeMask);
        }
        else
        {
            s->FpuLastInstruction = words[3];
            s->FpuLastData = words[5];
            s->FpuLastOpcode = wide ? (ushort)(words[4] >> 16 & X87Control.OpcodeMask) : (ushort)0;
        }
    }

    private static uint Upper(uint word) => (word >> 12 & 0xFFFF) << 16;

    private static bool StoreImage(CpuState* s, Instruction* i, ReadOnlySpan<byte> image)
    {
        if (!Operands.WriteAddress(s, i, image.Length, out ulong linear) || !CanWrite(s, linear, image.Length))
        {
            return false;
        }

        for (int n = 0; n < image.Length; n += PieceSize(image.Length))
        {
            bool done = PieceSize(image.Length) == sizeof(uint)
                ? LinearMemory.Store(s, linear + (ulong)n, BinaryPrimitives.ReadUInt32LittleEndian(image[n..]))
                : LinearMemory.Store(s, linear + (ulong)n, BinaryPrimitives.ReadUInt16LittleEndian(image[n..]));
            if (!done)
            {
                return false;
            }
        }

        return true;
    }

    // Images of 32-bit operand size are of doublewords, the others of words: so they are aligned (SDM Vol. 3A table 6-7).
    private static int PieceSize(int length) => length is WideSize or WideSize + RegistersSize ? sizeof(uint) : sizeof(ushort);

    // Both ends first: no half of an image is stored when the second page faults.
    private static bool CanWrite(CpuState* s, ulong linear, int length) =>
        (LinearMemory.WritePointer<byte>(s, linear) != null || SlowAccess.LoadForWrite(s, linear, out byte _))
        && (LinearMemory.WritePointer<byte>(s, linear + (ulong)length - 1) != null
            || SlowAccess.LoadForWrite(s, linear + (ulong)length - 1, out byte _));

    private static bool LoadImage(CpuState* s, Instruction* i, Span<byte> image)
    {
        if (!Operands.ReadAddress(s, i, image.Length, out ulong linear))
        {
            return false;
        }

        for (int n = 0; n < image.Length; n += PieceSize(image.Length))
        {
            if (PieceSize(image.Length) == sizeof(ushort))
            {
                if (!LinearMemory.Load(s, linear + (ulong)n, out ushort word))
                {
                    return false;
                }

                BinaryPrimitives.WriteUInt16LittleEndian(image[n..], word);
                continue;
            }

            if (!LinearMemory.Load(s, linear + (ulong)n, out uint doubleword))
            {
                return false;
            }

            BinaryPrimitives.WriteUInt32LittleEndian(image[n..], doubleword);
        }

        return true;
    }
}
