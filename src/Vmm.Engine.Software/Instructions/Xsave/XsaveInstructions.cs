using Vmm.Engine.Software.Execute;

namespace Vmm.Engine.Software.Instructions.Xsave;

/// <summary>All instructions that save and restore processor state.</summary>
internal static class XsaveInstructions
{
    public static void Register(HandlerTable table)
    {
        Mxcsr.Register(table);
        Fxsave.Register(table);
        Xsave.Register(table);
    }
}
