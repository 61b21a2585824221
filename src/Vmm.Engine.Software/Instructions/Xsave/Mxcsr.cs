using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Xsave;

/// <summary>MXCSR and the instructions that load and store it (SDM Vol. 1 10.2.3).</summary>
internal static unsafe class Mxcsr
{
    /// <summary>MXCSR_MASK: the bits that may be set, DAZ among them (SDM Vol. 1 11.6.6).</summary>
    public const uint Mask = 0xFFFF;

    /// <summary>After reset: all exceptions masked, round to nearest.</summary>
    public const uint Initial = 0x1F80;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Ldmxcsr_m32, null, &Load);
        table.Set(Code.Stmxcsr_m32, null, &Store);
        table.Set(Code.VEX_Vldmxcsr_m32, null, &Load);
        table.Set(Code.VEX_Vstmxcsr_m32, null, &Store);
    }

    private static Outcome Load(CpuState* s, Instruction* i)
    {
        if (!Operands.LoadOperand(s, i, out uint value))
        {
            return SlowAccess.Failure(s);
        }

        if ((value & ~Mask) != 0)
        {
            return Faults.GeneralProtection(s);
        }

        s->Mxcsr = value;
        return Outcome.Next;
    }

    private static Outcome Store(CpuState* s, Instruction* i) =>
        Operands.StoreOperand(s, i, s->Mxcsr) ? Outcome.Next : SlowAccess.Failure(s);
}
