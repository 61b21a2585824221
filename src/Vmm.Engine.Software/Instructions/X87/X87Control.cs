using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>The control, status and tag words (SDM Vol. 1 8.1.3 to 8.1.7).</summary>
/// <remarks>
/// Invariant: ES and B in <see cref="CpuState.FpuStatus"/> say whether an exception is flagged that the control word does
/// not mask. Whoever writes either word calls <see cref="UpdateSummary"/> or goes through here.
/// </remarks>
internal static unsafe class X87Control
{
    public const ushort StackFault = 1 << 6;
    public const ushort ErrorSummary = 1 << 7;
    public const ushort C0 = 1 << 8;
    public const ushort C1 = 1 << 9;
    public const ushort C2 = 1 << 10;
    public const ushort C3 = 1 << 14;
    public const ushort Busy = 1 << 15;
    public const ushort Conditions = C0 | C1 | C2 | C3;
    public const ushort InitialControl = 0x37F;
    public const ushort OpcodeMask = 0x7FF;

    private const int TopShift = 11;
    private const ushort TopMask = 7 << TopShift;

    /// <summary>Bits of the control word that exist; bit 6 reads as one.</summary>
    private const ushort ControlMask = 0x1F7F;
    private const ushort ControlOnes = 0x40;

    public static void SetControl(CpuState* s, ushort control)
    {
        s->FpuControl = (ushort)((control & ControlMask) | ControlOnes);
        UpdateSummary(s);
    }

    /// <summary>The status word with TOP in place.</summary>
    public static ushort Status(CpuState* s) => (ushort)(s->FpuStatus | (s->FpuTop << TopShift));

    /// <summary>Sets status and TOP; the control word must be in place.</summary>
    public static void SetStatus(CpuState* s, ushort status)
    {
        s->FpuTop = (byte)((status & TopMask) >> TopShift);
        s->FpuStatus = (ushort)(status & ~TopMask);
        UpdateSummary(s);
    }

    public static void UpdateSummary(CpuState* s)
    {
        const ushort summary = ErrorSummary | Busy;
        bool pending = (s->FpuStatus & ~s->FpuControl & (int)FloatExceptions.All) != 0;
        s->FpuStatus = (ushort)(pending ? s->FpuStatus | summary : s->FpuStatus & ~summary);
    }

    /// <summary>The tag word with two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty.</summary>
    public static ushort Tags(CpuState* s)
    {
        int tags = 0;
        for (int register = 0; register < 8; register++)
        {
            int tag = ((s->FpuTagsEmpty >> register) & 1) != 0 ? 3 : Tag(X87Registers.Physical(s, register));
            tags |= tag << (register * 2);
        }

        return (ushort)tags;
    }

    private static int Tag(ExtendedReal value) => value.Unpack().Class switch
    {
        FloatClass.Normal => 0,
        FloatClass.Zero => 1,
        _ => 2,
    };

    /// <summary>Of a loaded tag word only "empty" matters: the rest follows from the data.</summary>
    public static void SetTags(CpuState* s, ushort tags)
    {
        int empty = 0;
        for (int register = 0; register < 8; register++)
        {
            if (((tags >> (register * 2)) & 3) == 3)
            {
                empty |= 1 << register;
            }
        }

        s->FpuTagsEmpty = (byte)empty;
    }

    /// <summary>FNINIT: data registers keep their contents.</summary>
    public static void Initialize(CpuState* s)
    {
        s->FpuControl = InitialControl;
        s->FpuStatus = 0;
        s->FpuTop = 0;
        s->FpuTagsEmpty = 0xFF;
        s->FpuLastOpcode = 0;
        s->FpuLastInstruction = 0;
        s->FpuLastData = 0;
        s->FpuLastCs = 0;
        s->FpuLastDs = 0;
    }
}
