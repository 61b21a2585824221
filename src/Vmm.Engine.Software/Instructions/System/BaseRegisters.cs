using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE.</summary>
internal static unsafe class BaseRegisters
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Rdfsbase_r32, &ReadFs, null);
        table.Set(Code.Rdfsbase_r64, &ReadFs, null);
        table.Set(Code.Rdgsbase_r32, &ReadGs, null);
        table.Set(Code.Rdgsbase_r64, &ReadGs, null);
        table.Set(Code.Wrfsbase_r32, &WriteFs, null);
        table.Set(Code.Wrfsbase_r64, &WriteFs, null);
        table.Set(Code.Wrgsbase_r32, &WriteGs, null);
        table.Set(Code.Wrgsbase_r64, &WriteGs, null);
    }

    private static Outcome ReadFs(CpuState* s, Instruction* i) => Read(s, i, s->Fs.Base);

    private static Outcome ReadGs(CpuState* s, Instruction* i) => Read(s, i, s->Gs.Base);

    private static Outcome WriteFs(CpuState* s, Instruction* i) => Write(s, i, SegmentRegister.Fs);

    private static Outcome WriteGs(CpuState* s, Instruction* i) => Write(s, i, SegmentRegister.Gs);

    private static bool IsEnabled(CpuState* s, Instruction* i) =>
        (i->Flags & InstructionFlags.Code64) != 0 && (s->Cr4 & (ulong)Cr4Bits.Fsgsbase) != 0;

    private static Outcome Read(CpuState* s, Instruction* i, ulong value)
    {
        if (!IsEnabled(s, i))
        {
            return Faults.InvalidOpcode(s);
        }

        Operands.WriteRegister(s, i->Destination, i->OperandSize == 8 ? value : (uint)value);
        return Outcome.Next;
    }

    private static Outcome Write(CpuState* s, Instruction* i, SegmentRegister register)
    {
        if (!IsEnabled(s, i))
        {
            return Faults.InvalidOpcode(s);
        }

        ulong value = i->OperandSize == 8 ? Operands.Register<ulong>(s, i->Destination) : Operands.Register<uint>(s, i->Destination);
        if (!ProcessorMode.IsCanonical(value))
        {
            return Faults.GeneralProtection(s);
        }

        (&s->Es)[(int)register].Base = value;
        s->SegmentBase[(int)register] = value;
        return Outcome.Next;
    }
}
