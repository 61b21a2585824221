using Vmm.Engine.Software.Execute;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>All x87 instructions.</summary>
internal static class X87Instructions
{
    public static void Register(HandlerTable table)
    {
        X87ControlInstructions.Register(table);
    }
}
