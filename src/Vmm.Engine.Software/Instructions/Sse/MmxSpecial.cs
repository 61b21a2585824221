using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>MMX instructions that are not simply the lower half of an SSE one.</summary>
internal static unsafe class MmxSpecial
{
    public static void Register(HandlerTable table)
    {
        MmxInstruction.SetBinary<OfPair<PackSignedWords>>(table, Code.Packsswb_mm_mmm64);
        MmxInstruction.SetBinary<OfPair<PackUnsignedWords>>(table, Code.Packuswb_mm_mmm64);
        MmxInstruction.SetBinary<OfPair<PackSignedDwords>>(table, Code.Packssdw_mm_mmm64);
        MmxInstruction.SetBinary<OfPair<HorizontalAddWords>>(table, Code.Phaddw_mm_mmm64);
        MmxInstruction.SetBinary<OfPair<HorizontalAddDwords>>(table, Code.Phaddd_mm_mmm64);
        MmxInstruction.SetBinary<OfPair<HorizontalAddWordsSaturated>>(table, Code.Phaddsw_mm_mmm64);
        MmxInstruction.SetBinary<OfPair<HorizontalSubtractWords>>(table, Code.Phsubw_mm_mmm64);
        MmxInstruction.SetBinary<OfPair<HorizontalSubtractDwords>>(table, Code.Phsubd_mm_mmm64);
        MmxInstruction.SetBinary<OfPair<HorizontalSubtractWordsSaturated>>(table, Code.Phsubsw_mm_mmm64);
        MmxInstruction.SetBinary<UpperHalf<UnpackLowBytes>>(table, Code.Punpckhbw_mm_mmm64);
        MmxInstruction.SetBinary<UpperHalf<UnpackLowWords>>(table, Code.Punpckhwd_mm_mmm64);
        MmxInstruction.SetBinary<UpperHalf<UnpackLowDwords>>(table, Code.Punpckhdq_mm_mmm64);
        MmxInstruction.SetBinary<ShuffleEightBytes>(table, Code.Pshufb_mm_mmm64);
        table.Set(Code.Punpcklbw_mm_mmm32, &UnpackLowRegister<UnpackLowBytes>, &UnpackLowMemory<UnpackLowBytes>);
        table.Set(Code.Punpcklwd_mm_mmm32, &UnpackLowRegister<UnpackLowWords>, &UnpackLowMemory<UnpackLowWords>);
        table.Set(Code.Punpckldq_mm_mmm32, &UnpackLowRegister<UnpackLowDwords>, &UnpackLowMemory<UnpackLowDwords>);
        table.Set(Code.Pshufw_mm_mmm64_imm8, &ShuffleWordsRegister, &ShuffleWordsMemory);
        table.Set(Code.Palignr_mm_mmm64_imm8, &AlignRightRegister, &AlignRightMemory);
        table.Set(Code.Pmovmskb_r32_mm, &MaskBytes, null);
        table.Set(Code.Pmovmskb_r64_mm, &MaskBytes, null);
        table.Set(Code.Maskmovq_rDI_mm_mm, &StoreMasked, null);

        table.Set(Code.Movd_mm_rm32, &FromGeneral<uint>, &LoadFromMemory<uint>);
        table.Set(Code.Movq_mm_rm64, &FromGeneral<ulong>, &LoadFromMemory<ulong>);
        table.Set(Code.Movd_rm32_mm, &ToGeneral<uint>, &StoreToMemory<uint>);
        table.Set(Code.Movq_rm64_mm, &ToGeneral<ulong>, &StoreToMemory<ulong>);
        table.Set(Code.Movq_mm_mmm64, &Copy, &LoadFromMemory<ulong>);
        table.Set(Code.Movq_mmm64_mm, &Copy, &StoreToMemory<ulong>);
        table.Set(Code.Movntq_m64_mm, null, &StoreToMemory<ulong>);
        table.Set(Code.Movq2dq_xmm_mm, &ToVector, null);
        table.Set(Code.Movdq2q_mm_xmm, &FromVector, null);
        table.Set(Code.Emms, &EmptyMmxState);
    }

    /// <summary>An operation on a register pair b:a whose result fits one register.</summary>
    private readonly struct OfPair<T> : IVectorBinary where T : struct, IVectorBinary
    {
        public static V Apply(V a, V b) => T.Apply(Vector128.Create(a.AsUInt64().ToScalar(), b.AsUInt64().ToScalar()).AsByte(), default);
    }

    /// <summary>The upper half of a 128-bit result.</summary>
    private readonly struct UpperHalf<T> : IVectorBinary where T : struct, IVectorBinary
    {
        public static V Apply(V a, V b) => Vector128.CreateScalar(T.Apply(a, b).AsUInt64().GetElement(1)).AsByte();
    }

    private readonly struct ShuffleEightBytes : IVectorBinary
    {
        public static V Apply(V a, V b) => ShuffleBytes.Apply(a, b & Vector128.Create((byte)0x87));
    }

    private static Outcome UnpackLowRegister<T>(CpuState* s, Instruction* i) where T : struct, IVectorBinary
    {
        UnpackLow<T>(s, i, (uint)MmxInstruction.Read(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome UnpackLowMemory<T>(CpuState* s, Instruction* i) where T : struct, IVectorBinary
    {
        if (!Operands.LoadOperand(s, i, out uint source))
        {
            return SlowAccess.Failure(s);
        }

        UnpackLow<T>(s, i, source);
        return Outcome.Next;
    }

    private static void UnpackLow<T>(CpuState* s, Instruction* i, uint source) where T : struct, IVectorBinary
    {
        V a = Vector128.CreateScalar(MmxInstruction.Read(s, i->Destination)).AsByte();
        MmxInstruction.Enter(s);
        MmxInstruction.Write(s, i->Destination, T.Apply(a, Vector128.CreateScalar(source).AsByte()).AsUInt64().ToScalar());
    }

    private static Outcome ShuffleWordsRegister(CpuState* s, Instruction* i) => ShuffleWords(s, i, MmxInstruction.Read(s, i->Source));

    private static Outcome ShuffleWordsMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out ulong source) ? ShuffleWords(s, i, source) : SlowAccess.Failure(s);

    private static Outcome ShuffleWords(CpuState* s, Instruction* i, ulong source)
    {
        MmxInstruction.Enter(s);
        MmxInstruction.Write(s, i->Destination, WordShuffle.Apply(source, (byte)i->Immediate));
        return Outcome.Next;
    }

    private static Outcome AlignRightRegister(CpuState* s, Instruction* i) => AlignRight(s, i, MmxInstruction.Read(s, i->Source));

    private static Outcome AlignRightMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out ulong source) ? AlignRight(s, i, source) : SlowAccess.Failure(s);

    private static Outcome AlignRight(CpuState* s, Instruction* i, ulong source)
    {
        UInt128 pair = new(MmxInstruction.Read(s, i->Destination), source);
        int count = (byte)i->Immediate;
        MmxInstruction.Enter(s);
        MmxInstruction.Write(s, i->Destination, count > 15 ? 0 : (ulong)(pair >> (count * 8)));
        return Outcome.Next;
    }

    private static Outcome MaskBytes(CpuState* s, Instruction* i)
    {
        uint mask = Vector128.CreateScalar(MmxInstruction.Read(s, i->Source)).AsByte().ExtractMostSignificantBits();
        MmxInstruction.Enter(s);
        Operands.WriteRegister(s, i->Destination, mask);
        return Outcome.Next;
    }

    private static Outcome StoreMasked(CpuState* s, Instruction* i)
    {
        V data = Vector128.CreateScalar(MmxInstruction.Read(s, i->Source)).AsByte();
        uint mask = Vector128.CreateScalar(MmxInstruction.Read(s, i->Source2)).AsByte().ExtractMostSignificantBits();
        Outcome outcome = MaskedStore.Bytes(s, i, data, mask, 8);
        if (outcome == Outcome.Next)
        {
            MmxInstruction.Enter(s);
        }

        return outcome;
    }

    private static Outcome FromGeneral<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        MmxInstruction.Enter(s);
        MmxInstruction.Write(s, i->Destination, Vector128.CreateScalar(Operands.Register<T>(s, i->Source)).AsUInt64().ToScalar());
        return Outcome.Next;
    }

    private static Outcome LoadFromMemory<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operands.LoadOperand(s, i, out T value))
        {
            return SlowAccess.Failure(s);
        }

        MmxInstruction.Enter(s);
        MmxInstruction.Write(s, i->Destination, Vector128.CreateScalar(value).AsUInt64().ToScalar());
        return Outcome.Next;
    }

    private static Outcome ToGeneral<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        MmxInstruction.Enter(s);
        Operands.WriteRegister(s, i->Destination, Operands.Register<T>(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome StoreToMemory<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operands.StoreOperand(s, i, Operands.Register<T>(s, i->Source)))
        {
            return SlowAccess.Failure(s);
        }

        MmxInstruction.Enter(s);
        return Outcome.Next;
    }

    private static Outcome Copy(CpuState* s, Instruction* i)
    {
        MmxInstruction.Enter(s);
        MmxInstruction.Write(s, i->Destination, MmxInstruction.Read(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome ToVector(CpuState* s, Instruction* i)
    {
        MmxInstruction.Enter(s);
        Operands.Register<V>(s, i->Destination) = Vector128.CreateScalar(MmxInstruction.Read(s, i->Source)).AsByte();
        return Outcome.Next;
    }

    private static Outcome FromVector(CpuState* s, Instruction* i)
    {
        MmxInstruction.Enter(s);
        MmxInstruction.Write(s, i->Destination, Operands.Register<ulong>(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome EmptyMmxState(CpuState* s, Instruction* i)
    {
        s->FpuTop = 0;
        s->FpuTagsEmpty = 0xFF;
        return Outcome.Next;
    }
}
