using Vmm.Engine.Software.Execute;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>What AVX, AVX2, FMA and F16C have and SSE has not; VEX forms of SSE's operations stand beside them.</summary>
internal static class AvxInstructions
{
    public static void Register(HandlerTable table)
    {
        VexMoves.Register(table);
        Permutations.Register(table);
        VariableShifts.Register(table);
        BlendsAndTests.Register(table);
        MaskedMoves.Register(table);
        Gathers.Register(table);
        FusedOperations.Register(table);
        HalfConversions.Register(table);
    }
}
