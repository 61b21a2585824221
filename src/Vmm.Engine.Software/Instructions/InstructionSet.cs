using Vmm.Engine.Software.Execute;

namespace Vmm.Engine.Software.Instructions;

/// <summary>All instruction groups of the processor.</summary>
internal static class InstructionSet
{
    /// <summary>The handlers, made once a process.</summary>
    public static HandlerTable Handlers { get; } = Create();

    private static HandlerTable Create()
    {
        HandlerTable table = new();
        return table;
    }
}
