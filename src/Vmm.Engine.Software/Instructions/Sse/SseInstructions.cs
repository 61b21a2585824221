using Vmm.Engine.Software.Execute;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>All of MMX, SSE to SSE4.2, AES-NI and PCLMULQDQ.</summary>
internal static class SseInstructions
{
    public static void Register(HandlerTable table)
    {
        SseMoves.Register(table);
        PackedInteger.Register(table);
        MmxSpecial.Register(table);
        LaneTransfers.Register(table);
        FloatArithmetic.Register(table);
        FloatUnary.Register(table);
        FloatComparisons.Register(table);
        FloatConversions.Register(table);
        ScalarConversions.Register(table);
        AesOperations.Register(table);
        StringComparisons.Register(table);
    }
}
