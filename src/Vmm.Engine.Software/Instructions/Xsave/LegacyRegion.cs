using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Vmm.Engine.Software.Instructions.X87;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.Xsave;

/// <summary>
/// The 512 bytes that FXSAVE and XSAVE have in common (SDM Vol. 1 10.5.1, 13.4.1), moved between state and a buffer.
/// FCS and FDS are deprecated (CPUID.7.0:EBX[13]): they are stored as zeros and ignored when loaded.
/// </summary>
internal static unsafe class LegacyRegion
{
    public const int Size = 512;

    /// <summary>First byte of the part that processors leave to software.</summary>
    public const int SoftwareOffset = 464;

    public const int MxcsrOffset = 24;
    public const int RegistersOffset = 32;
    public const int VectorsOffset = 160;

    private const int StatusOffset = 2;
    private const int TagsOffset = 4;
    private const int OpcodeOffset = 6;
    private const int InstructionOffset = 8;
    private const int DataOffset = 16;
    private const int SlotSize = 16;

    /// <summary>XMM8 to XMM15 exist in 64-bit mode only.</summary>
    public static int VectorCount(Decode.Instruction* i) => (i->Flags & Decode.InstructionFlags.Code64) != 0 ? 16 : 8;

    public static void StoreX87(CpuState* s, Span<byte> region, bool wide)
    {
        Put(region, 0, s->FpuControl);
        Put(region, StatusOffset, X87Control.Status(s));
        Put(region, TagsOffset, (ushort)(byte)~s->FpuTagsEmpty);
        Put(region, OpcodeOffset, s->FpuLastOpcode);
        Put(region, InstructionOffset, wide ? s->FpuLastInstruction : (uint)s->FpuLastInstruction);
        Put(region, DataOffset, wide ? s->FpuLastData : (uint)s->FpuLastData);
        for (int n = 0; n < 8; n++)
        {
            ExtendedReal value = X87Registers.Read(s, n);
            Put(region, RegistersOffset + (n * SlotSize), value.Significand);
            Put(region, RegistersOffset + (n * SlotSize) + 8, (ulong)value.SignExponent);
        }
    }

    public static void LoadX87(CpuState* s, ReadOnlySpan<byte> region, bool wide)
    {
        s->FpuControl = 0;
        X87Control.SetControl(s, Get<ushort>(region, 0));
        X87Control.SetStatus(s, Get<ushort>(region, StatusOffset));
        s->FpuTagsEmpty = (byte)~Get<byte>(region, TagsOffset);
        s->FpuLastOpcode = (ushort)(Get<ushort>(region, OpcodeOffset) & X87Control.OpcodeMask);
        s->FpuLastInstruction = wide ? Get<ulong>(region, InstructionOffset) : Get<uint>(region, InstructionOffset);
        s->FpuLastData = wide ? Get<ulong>(region, DataOffset) : Get<uint>(region, DataOffset);
        s->FpuLastCs = 0;
        s->FpuLastDs = 0;
        for (int n = 0; n < 8; n++)
        {
            X87Registers.Physical(s, (s->FpuTop + n) & 7) = new(
                Get<ulong>(region, RegistersOffset + (n * SlotSize)), Get<ushort>(region, RegistersOffset + (n * SlotSize) + 8));
        }
    }

    public static void StoreMxcsr(CpuState* s, Span<byte> region)
    {
        Put(region, MxcsrOffset, s->Mxcsr);
        Put(region, MxcsrOffset + 4, Mxcsr.Mask);
    }

    public static uint ReadMxcsr(ReadOnlySpan<byte> region) => Get<uint>(region, MxcsrOffset);

    public static void StoreVectors(CpuState* s, Span<byte> region, int count)
    {
        for (int n = 0; n < count; n++)
        {
            Put(region, VectorsOffset + (n * SlotSize), Vector(s, n));
        }
    }

    public static void LoadVectors(CpuState* s, ReadOnlySpan<byte> region, int count)
    {
        for (int n = 0; n < count; n++)
        {
            Vector(s, n) = Get<Vector128<byte>>(region, VectorsOffset + (n * SlotSize));
        }
    }

    /// <summary>The lower 128 bits of a vector register.</summary>
    public static ref Vector128<byte> Vector(CpuState* s, int register) =>
        ref *(Vector128<byte>*)((byte*)s + CpuState.VectorOffset + (register * CpuState.VectorStride));

    private static T Get<T>(ReadOnlySpan<byte> region, int offset) where T : unmanaged => MemoryMarshal.Read<T>(region[offset..]);

    private static void Put<T>(Span<byte> region, int offset, T value) where T : unmanaged => MemoryMarshal.Write(region[offset..], value);
}
