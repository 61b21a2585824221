using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>PINSR, PEXTR, EXTRACTPS, INSERTPS, the variable blends and PTEST.</summary>
internal static unsafe class LaneTransfers
{
    public static void Register(HandlerTable table)
    {
        Insert<byte>(table, Code.Pinsrb_xmm_r32m8_imm8);
        Insert<byte>(table, Code.Pinsrb_xmm_r64m8_imm8);
        Insert<ushort>(table, Code.Pinsrw_xmm_r32m16_imm8);
        Insert<ushort>(table, Code.Pinsrw_xmm_r64m16_imm8);
        Insert<uint>(table, Code.Pinsrd_xmm_rm32_imm8);
        Insert<ulong>(table, Code.Pinsrq_xmm_rm64_imm8);
        Extract<byte>(table, Code.Pextrb_r32m8_xmm_imm8);
        Extract<byte>(table, Code.Pextrb_r64m8_xmm_imm8);
        Extract<ushort>(table, Code.Pextrw_r32m16_xmm_imm8);
        Extract<ushort>(table, Code.Pextrw_r64m16_xmm_imm8);
        Extract<ushort>(table, Code.Pextrw_r32_xmm_imm8);
        Extract<ushort>(table, Code.Pextrw_r64_xmm_imm8);
        Extract<uint>(table, Code.Pextrd_rm32_xmm_imm8);
        Extract<ulong>(table, Code.Pextrq_rm64_xmm_imm8);
        Extract<uint>(table, Code.Extractps_rm32_xmm_imm8);
        Extract<uint>(table, Code.Extractps_r64m32_xmm_imm8);
        Extract<byte>(table, Code.VEX_Vpextrb_r32m8_xmm_imm8);
        Extract<byte>(table, Code.VEX_Vpextrb_r64m8_xmm_imm8);
        Extract<ushort>(table, Code.VEX_Vpextrw_r32m16_xmm_imm8);
        Extract<ushort>(table, Code.VEX_Vpextrw_r64m16_xmm_imm8);
        Extract<ushort>(table, Code.VEX_Vpextrw_r32_xmm_imm8);
        Extract<ushort>(table, Code.VEX_Vpextrw_r64_xmm_imm8);
        Extract<uint>(table, Code.VEX_Vpextrd_rm32_xmm_imm8);
        Extract<ulong>(table, Code.VEX_Vpextrq_rm64_xmm_imm8);
        Extract<uint>(table, Code.VEX_Vextractps_rm32_xmm_imm8);
        Extract<uint>(table, Code.VEX_Vextractps_r64m32_xmm_imm8);
        table.Set(Code.Insertps_xmm_xmmm32_imm8, &InsertSingleRegister, &InsertSingleMemory);

        table.Set(Code.Pinsrw_mm_r32m16_imm8, &MmxInsertRegister, &MmxInsertMemory);
        table.Set(Code.Pinsrw_mm_r64m16_imm8, &MmxInsertRegister, &MmxInsertMemory);
        table.Set(Code.Pextrw_r32_mm_imm8, &MmxExtract, null);
        table.Set(Code.Pextrw_r64_mm_imm8, &MmxExtract, null);

        table.Set(Code.Pblendvb_xmm_xmmm128, &BlendBytesRegister, &BlendBytesMemory);
        table.Set(Code.Blendvps_xmm_xmmm128, &BlendSinglesRegister, &BlendSinglesMemory);
        table.Set(Code.Blendvpd_xmm_xmmm128, &BlendDoublesRegister, &BlendDoublesMemory);
        table.Set(Code.Ptest_xmm_xmmm128, &TestRegister, &TestMemory);
    }

    private static void Insert<T>(HandlerTable table, Code code) where T : unmanaged =>
        table.Set(code, &InsertRegister<T>, &InsertMemory<T>);

    private static void Extract<T>(HandlerTable table, Code code) where T : unmanaged =>
        table.Set(code, &ExtractRegister<T>, &ExtractMemory<T>);

    /// <summary>Byte offset of the lane that the immediate chooses; its bits beyond the lane count are ignored.</summary>
    private static ushort Lane<T>(ushort register, Instruction* i) where T : unmanaged =>
        (ushort)(register + (((int)i->Immediate & ((16 / sizeof(T)) - 1)) * sizeof(T)));

    private static Outcome InsertRegister<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        Operands.Register<T>(s, Lane<T>(i->Destination, i)) = Operands.Register<T>(s, i->Source);
        return Outcome.Next;
    }

    private static Outcome InsertMemory<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operands.LoadOperand(s, i, out T value))
        {
            return SlowAccess.Failure(s);
        }

        Operands.Register<T>(s, Lane<T>(i->Destination, i)) = value;
        return Outcome.Next;
    }

    private static Outcome ExtractRegister<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        T lane = Operands.Register<T>(s, Lane<T>(i->Source, i));
        Operands.Register<ulong>(s, i->Destination) = Vector128.CreateScalar(lane).AsUInt64().ToScalar();
        return Outcome.Next;
    }

    private static Outcome ExtractMemory<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Operands.StoreOperand(s, i, Operands.Register<T>(s, Lane<T>(i->Source, i))) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome InsertSingleRegister(CpuState* s, Instruction* i) =>
        InsertSingle(s, i, Operands.Register<V>(s, i->Source).AsUInt32().GetElement((int)(i->Immediate >> 6) & 3));

    private static Outcome InsertSingleMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out uint value) ? InsertSingle(s, i, value) : SlowAccess.Failure(s);

    private static Outcome InsertSingle(CpuState* s, Instruction* i, uint value)
    {
        ref Vector128<uint> destination = ref Operands.Register<Vector128<uint>>(s, i->Destination);
        Vector128<uint> inserted = destination.WithElement((int)(i->Immediate >> 4) & 3, value);
        destination = BlendSingles.Apply(inserted.AsByte(), default, (byte)(i->Immediate & 15)).AsUInt32();
        return Outcome.Next;
    }

    private static Outcome MmxInsertRegister(CpuState* s, Instruction* i)
    {
        MmxInsert(s, i, Operands.Register<ushort>(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome MmxInsertMemory(CpuState* s, Instruction* i)
    {
        if (!Operands.LoadOperand(s, i, out ushort value))
        {
            return SlowAccess.Failure(s);
        }

        MmxInsert(s, i, value);
        return Outcome.Next;
    }

    private static void MmxInsert(CpuState* s, Instruction* i, ushort value)
    {
        int shift = ((int)i->Immediate & 3) * 16;
        ulong old = MmxInstruction.Read(s, i->Destination);
        MmxInstruction.Enter(s);
        MmxInstruction.Write(s, i->Destination, (old & ~(0xFFFFUL << shift)) | ((ulong)value << shift));
    }

    private static Outcome MmxExtract(CpuState* s, Instruction* i)
    {
        ulong value = (ushort)(MmxInstruction.Read(s, i->Source) >> (((int)i->Immediate & 3) * 16));
        MmxInstruction.Enter(s);
        Operands.Register<ulong>(s, i->Destination) = value;
        return Outcome.Next;
    }

    private static Vector128<byte> Selector(CpuState* s) => Operands.Register<V>(s, (ushort)CpuState.VectorOffset);

    private static Outcome BlendBytesRegister(CpuState* s, Instruction* i) => BlendBytes(s, i, Operands.Register<V>(s, i->Source));

    private static Outcome BlendBytesMemory(CpuState* s, Instruction* i) =>
        VectorInstruction.LoadAligned(s, i, out V source) ? BlendBytes(s, i, source) : SlowAccess.Failure(s);

    /// <summary>The top bits of XMM0 select (SDM Vol. 2B PBLENDVB).</summary>
    private static Outcome BlendBytes(CpuState* s, Instruction* i, V source) =>
        Blend(s, i, Vector128.LessThan(Selector(s).AsSByte(), default).AsByte(), source);

    private static Outcome BlendSinglesRegister(CpuState* s, Instruction* i) => BlendBySingles(s, i, Operands.Register<V>(s, i->Source));

    private static Outcome BlendSinglesMemory(CpuState* s, Instruction* i) =>
        VectorInstruction.LoadAligned(s, i, out V source) ? BlendBySingles(s, i, source) : SlowAccess.Failure(s);

    private static Outcome BlendBySingles(CpuState* s, Instruction* i, V source) =>
        Blend(s, i, Vector128.LessThan(Selector(s).AsInt32(), default).AsByte(), source);

    private static Outcome BlendDoublesRegister(CpuState* s, Instruction* i) => BlendByDoubles(s, i, Operands.Register<V>(s, i->Source));

    private static Outcome BlendDoublesMemory(CpuState* s, Instruction* i) =>
        VectorInstruction.LoadAligned(s, i, out V source) ? BlendByDoubles(s, i, source) : SlowAccess.Failure(s);

    private static Outcome BlendByDoubles(CpuState* s, Instruction* i, V source) =>
        Blend(s, i, Vector128.LessThan(Selector(s).AsInt64(), default).AsByte(), source);

    private static Outcome Blend(CpuState* s, Instruction* i, V mask, V source)
    {
        ref V destination = ref Operands.Register<V>(s, i->Destination);
        destination = Vector128.ConditionalSelect(mask, source, destination);
        return Outcome.Next;
    }

    private static Outcome TestRegister(CpuState* s, Instruction* i) => Test(s, i, Operands.Register<V>(s, i->Source));

    private static Outcome TestMemory(CpuState* s, Instruction* i) =>
        VectorInstruction.LoadAligned(s, i, out V source) ? Test(s, i, source) : SlowAccess.Failure(s);

    private static Outcome Test(CpuState* s, Instruction* i, V source)
    {
        V destination = Operands.Register<V>(s, i->Destination);
        ulong flags = (source & destination) == V.Zero ? ArithmeticFlags.Zero : 0;
        flags |= (source & ~destination) == V.Zero ? ArithmeticFlags.Carry : 0;
        ArithmeticFlags.Write(s, flags);
        return Outcome.Next;
    }
}
