using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions.Sse;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>Shifts of each lane by the same lane of another vector (SDM Vol. 2C VPSLLVW/VPSLLVD/VPSLLVQ and the ones after).</summary>
internal static class VariableShifts
{
    public static void Register(HandlerTable table)
    {
        VexForms.Binary<ByLaneDwords<ShiftDwordsLeft>>(table, Code.VEX_Vpsllvd_xmm_xmm_xmmm128);
        VexForms.Binary<ByLaneQwords<ShiftQwordsLeft>>(table, Code.VEX_Vpsllvq_xmm_xmm_xmmm128);
        VexForms.Binary<ByLaneDwords<ShiftDwordsRight>>(table, Code.VEX_Vpsrlvd_xmm_xmm_xmmm128);
        VexForms.Binary<ByLaneQwords<ShiftQwordsRight>>(table, Code.VEX_Vpsrlvq_xmm_xmm_xmmm128);
        VexForms.Binary<ByLaneDwords<ShiftDwordsArithmetic>>(table, Code.VEX_Vpsravd_xmm_xmm_xmmm128);
    }

    private readonly struct ByLaneDwords<TShift> : IVectorBinary where TShift : struct, IVectorShift
    {
        public static V Apply(V a, V b)
        {
            Vector128<uint> result = default;
            for (int n = 0; n < 4; n++)
            {
                result = result.WithElement(n, TShift.Apply(a, b.AsUInt32().GetElement(n)).AsUInt32().GetElement(n));
            }

            return result.AsByte();
        }
    }

    private readonly struct ByLaneQwords<TShift> : IVectorBinary where TShift : struct, IVectorShift
    {
        public static V Apply(V a, V b) =>
            Vector128.Create(
                TShift.Apply(a, b.AsUInt64().GetElement(0)).AsUInt64().GetElement(0),
                TShift.Apply(a, b.AsUInt64().GetElement(1)).AsUInt64().GetElement(1)).AsByte();
    }
}
