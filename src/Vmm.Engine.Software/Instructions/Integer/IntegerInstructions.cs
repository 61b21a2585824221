using Vmm.Engine.Software.Execute;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>All general-purpose instructions that are not system instructions.</summary>
internal static class IntegerInstructions
{
    public static void Register(HandlerTable table)
    {
        DataMovement.Register(table);
        BinaryArithmetic.Register(table);
        UnaryArithmetic.Register(table);
        MultiplyDivide.Register(table);
        Shifts.Register(table);
        DoubleShifts.Register(table);
        BitInstructions.Register(table);
        BitManipulation.Register(table);
        CompareExchange.Register(table);
        ConditionalInstructions.Register(table);
        NearBranch.Register(table);
        StackInstructions.Register(table);
        StringInstructions.Register(table);
        FlagInstructions.Register(table);
        DecimalArithmetic.Register(table);
        Hints.Register(table);
    }
}
