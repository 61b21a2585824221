using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

internal static class StringInstructions
{
    /// <summary>Whether an instruction steps RSI or RDI, and repeats with a prefix.</summary>
    public static bool IsString(this OpCodeInfo info) => info.CanUseRepPrefix && info.OpCount > 0
        && (Any(info, OpCodeOperandKind.seg_rSI) || Any(info, OpCodeOperandKind.es_rDI));

    private static bool Any(OpCodeInfo info, OpCodeOperandKind kind)
    {
        for (int n = 0; n < info.OpCount; n++)
        {
            if (info.GetOpKind(n) == kind)
            {
                return true;
            }
        }

        return false;
    }
}
