using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions.Avx;
using Vmm.Engine.Software.Instructions.Integer;
using Vmm.Engine.Software.Instructions.Sse;
using Vmm.Engine.Software.Instructions.System;
using Vmm.Engine.Software.Instructions.X87;
using Vmm.Engine.Software.Instructions.Xsave;

namespace Vmm.Engine.Software.Instructions;

/// <summary>All instruction groups of the processor.</summary>
internal static class InstructionSet
{
    /// <summary>The handlers, made once a process.</summary>
    public static HandlerTable Handlers { get; } = Create();

    private static HandlerTable Create()
    {
        HandlerTable table = new();
        IntegerInstructions.Register(table);
        SystemInstructions.Register(table);
        SseInstructions.Register(table);
        AvxInstructions.Register(table);
        X87Instructions.Register(table);
        XsaveInstructions.Register(table);
        return table;
    }
}
