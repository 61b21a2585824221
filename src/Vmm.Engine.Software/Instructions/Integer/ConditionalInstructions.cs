using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>Jcc, SETcc and CMOVcc.</summary>
internal static unsafe class ConditionalInstructions
{
    public static void Register(HandlerTable table)
    {
        SetPair<OverflowSet>(table, 0);
        SetPair<Below>(table, 2);
        SetPair<Equal>(table, 4);
        SetPair<BelowOrEqual>(table, 6);
        SetPair<SignSet>(table, 8);
        SetPair<ParityEven>(table, 10);
        SetPair<Less>(table, 12);
        SetPair<LessOrEqual>(table, 14);
    }

    private static void SetPair<T>(HandlerTable table, int condition) where T : struct, ICondition
    {
        Set<T>(table, condition);
        Set<Negated<T>>(table, condition + 1);
    }

    // Iced numbers conditions in the order of their encoding.
    private static void Set<T>(HandlerTable table, int condition) where T : struct, ICondition
    {
        for (int size = 0; size < 3; size++)
        {
            table.Set(Code.Jo_rel8_16 + (3 * condition) + size, &Jump<T>, null);
            table.Set(Code.Jo_rel16 + (3 * condition) + size, &Jump<T>, null);
        }

        table.Set(Code.Seto_rm8 + condition, &SetRegister<T>, &SetMemory<T>);
        table.Set(Code.Cmovo_r16_rm16 + (3 * condition), &MoveRegister<T, ushort>, &MoveMemory<T, ushort>);
        table.Set(Code.Cmovo_r32_rm32 + (3 * condition), &MoveRegister<T, uint>, &MoveMemory<T, uint>);
        table.Set(Code.Cmovo_r64_rm64 + (3 * condition), &MoveRegister<T, ulong>, &MoveMemory<T, ulong>);
    }

    private static Outcome Jump<T>(CpuState* s, Instruction* i) where T : struct, ICondition =>
        T.Holds(s) ? NearBranch.To(s, i, i->Immediate) : NearBranch.FallThrough(s, i);

    private static Outcome SetRegister<T>(CpuState* s, Instruction* i) where T : struct, ICondition
    {
        Operands.Register<byte>(s, i->Destination) = T.Holds(s) ? (byte)1 : (byte)0;
        return Outcome.Next;
    }

    private static Outcome SetMemory<T>(CpuState* s, Instruction* i) where T : struct, ICondition =>
        Operands.StoreOperand(s, i, T.Holds(s) ? (byte)1 : (byte)0) ? Outcome.Next : SlowAccess.Failure(s);

    // A 32-bit move clears the upper half even when the condition is false (SDM Vol. 2A CMOVcc).
    private static Outcome MoveRegister<TCondition, T>(CpuState* s, Instruction* i)
        where TCondition : struct, ICondition
        where T : unmanaged
    {
        ulong value = Width.ReadRegister<T>(s, TCondition.Holds(s) ? i->Source : i->Destination);
        Width.WriteRegister<T>(s, i->Destination, value);
        return Outcome.Next;
    }

    // The source is read, and may fault, whatever the condition.
    private static Outcome MoveMemory<TCondition, T>(CpuState* s, Instruction* i)
        where TCondition : struct, ICondition
        where T : unmanaged
    {
        if (!Width.LoadOperand<T>(s, i, out ulong value))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<T>(s, i->Destination, TCondition.Holds(s) ? value : Width.ReadRegister<T>(s, i->Destination));
        return Outcome.Next;
    }
}
