using Iced.Intel;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// Where registers are in <see cref="CpuState"/>, by Iced's number. Control, debug and test registers and ST(i) have
/// their number instead of an offset.
/// </summary>
internal static unsafe class RegisterOffsets
{
    private static readonly ushort[] Table = Create();

    /// <summary>Offset of a register.</summary>
    public static ushort Of(Register register) => Table[(int)register];

    private static ushort[] Create()
    {
        ushort[] table = new ushort[(int)Enum.GetValues<Register>().Max() + 1];
        Array.Fill(table, (ushort)CpuState.ZeroOffset);

        // Iced orders byte registers as encoded without REX, then SPL to R15L.
        for (int n = 0; n < 4; n++)
        {
            table[(int)Register.AL + n] = Gpr(n);
            table[(int)Register.AH + n] = (ushort)(Gpr(n) + 1);
        }

        for (int n = 4; n < 16; n++)
        {
            table[(int)Register.SPL + n - 4] = Gpr(n);
        }

        for (int n = 0; n < 16; n++)
        {
            table[(int)Register.AX + n] = Gpr(n);
            table[(int)Register.EAX + n] = Gpr(n);
            table[(int)Register.RAX + n] = Gpr(n);
            table[(int)Register.XMM0 + n] = Vector(n);
            table[(int)Register.YMM0 + n] = Vector(n);
            table[(int)Register.CR0 + n] = (ushort)n;
            table[(int)Register.DR0 + n] = (ushort)n;
        }

        for (int n = 0; n < 8; n++)
        {
            table[(int)Register.MM0 + n] = (ushort)(CpuState.FpuOffset + n * CpuState.FpuStride);
            table[(int)Register.ST0 + n] = (ushort)n;
            table[(int)Register.TR0 + n] = (ushort)n;
        }

        for (int n = 0; n < 6; n++)
        {
            table[(int)Register.ES + n] = (ushort)(CpuState.SegmentOffset + n * sizeof(SegmentCache));
        }

        return table;
    }

    private static ushort Gpr(int n) => (ushort)CpuState.GprOffset(n);

    private static ushort Vector(int n) => (ushort)(CpuState.VectorOffset + n * CpuState.VectorStride);
}
