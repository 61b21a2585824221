using Vmm.Engine.Software.Execute;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>All x87 instructions.</summary>
internal static class X87Instructions
{
    public static void Register(HandlerTable table)
    {
        X87ControlInstructions.Register(table);
        X87EnvironmentImages.Register(table);
        X87Loads.Register(table);
        X87Stores.Register(table);
        X87RegisterMoves.Register(table);
        X87Arithmetic.Register(table);
        X87Comparisons.Register(table);
        X87Scaling.Register(table);
        X87Remainder.Register(table);
        Trigonometry.Register(table);
        ArcTangent.Register(table);
        Logarithms.Register(table);
    }
}
