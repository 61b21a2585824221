using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>
/// The FXSAVE64 image (SDM Vol. 1 10.5.1.1) with the upper halves of the vector registers, and the processor's state, one
/// from the other.
/// </summary>
internal static unsafe class FxImage
{
    public const int ControlWord = 0;
    public const int StatusWord = 2;
    public const int Tags = 4;
    public const int Mxcsr = 24;
    public const int StackRegisters = 32;
    public const int VectorRegisters = 160;
    public const int TopShift = 11;
    public const ushort TopMask = 7 << TopShift;

    public static void Load(CpuState* s, byte* image, byte* upperHalves)
    {
        ushort status = *(ushort*)(image + StatusWord);
        s->FpuControl = *(ushort*)(image + ControlWord);
        s->FpuStatus = (ushort)(status & ~TopMask);
        s->FpuTop = (byte)(status >> TopShift & 7);
        s->FpuTagsEmpty = (byte)~image[Tags];
        s->Mxcsr = *(uint*)(image + Mxcsr);
        for (int n = 0; n < 8; n++)
        {
            ulong* register = StackRegister(s, n);
            register[0] = *(ulong*)(image + StackRegisters + (n * 16));
            register[1] = *(ushort*)(image + StackRegisters + (n * 16) + 8);
        }

        for (int n = 0; n < 16; n++)
        {
            *VectorRegister(s, n) = *(UInt128*)(image + VectorRegisters + (n * 16));
            VectorRegister(s, n)[1] = *(UInt128*)(upperHalves + (n * 16));
        }
    }

    public static void Save(CpuState* s, byte* image, byte* upperHalves)
    {
        *(ushort*)(image + ControlWord) = s->FpuControl;
        *(ushort*)(image + StatusWord) = (ushort)(s->FpuStatus | s->FpuTop << TopShift);
        image[Tags] = (byte)~s->FpuTagsEmpty;
        *(uint*)(image + Mxcsr) = s->Mxcsr;
        for (int n = 0; n < 8; n++)
        {
            ulong* register = StackRegister(s, n);
            *(ulong*)(image + StackRegisters + (n * 16)) = register[0];
            *(ushort*)(image + StackRegisters + (n * 16) + 8) = (ushort)register[1];
        }

        for (int n = 0; n < 16; n++)
        {
            *(UInt128*)(image + VectorRegisters + (n * 16)) = *VectorRegister(s, n);
            *(UInt128*)(upperHalves + (n * 16)) = VectorRegister(s, n)[1];
        }
    }

    private static ulong* StackRegister(CpuState* s, int n) =>
        (ulong*)((byte*)s + CpuState.FpuOffset + (((s->FpuTop + n) & 7) * CpuState.FpuStride));

    private static UInt128* VectorRegister(CpuState* s, int n) =>
        (UInt128*)((byte*)s + CpuState.VectorOffset + (n * CpuState.VectorStride));
}
