using System.Runtime.Intrinsics;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>MASKMOVQ and MASKMOVDQU; the decoder presents DS:rDI as the memory operand.</summary>
internal static unsafe class MaskedStore
{
    public static Outcome Bytes(CpuState* s, Instruction* i, Vector128<byte> data, uint mask, int count)
    {
        // The whole operand must be writable, whatever the mask: implementation-dependent (SDM Vol. 2A MASKMOVDQU). Alignment
        // is that of quadwords.
        if (!Operands.WriteAddress(s, i, count, out ulong linear) || !SlowAccess.ProbeWrite(s, linear, sizeof(ulong))
            || !SlowAccess.ProbeWrite(s, linear + (ulong)count - sizeof(ulong), sizeof(ulong)))
        {
            return SlowAccess.Failure(s);
        }

        for (int n = 0; n < count; n++)
        {
            if (((mask >> n) & 1) != 0 && !LinearMemory.Store(s, linear + (ulong)n, data.GetElement(n)))
            {
                return SlowAccess.Failure(s);
            }
        }

        return Outcome.Next;
    }
}
