using Vmm.Engine.Software.Execute;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>All of MMX, SSE to SSE4.2, AES-NI, PCLMULQDQ and SHA, with the VEX forms of the same operations.</summary>
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
        DotProducts.Register(table);
        FloatComparisons.Register(table);
        FloatConversions.Register(table);
        ScalarConversions.Register(table);
        AesOperations.Register(table);
        ShaOperations.Register(table);
        StringComparisons.Register(table);
    }
}
