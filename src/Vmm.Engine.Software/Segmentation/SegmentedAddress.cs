using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>Segment limit and type checks of memory operands outside 64-bit mode (SDM Vol. 3A 5.3).</summary>
internal static unsafe class SegmentedAddress
{
    public static bool ForRead(CpuState* s, Instruction* i, int size, out ulong linear) => Check(s, i, size, out linear);

    public static bool ForWrite(CpuState* s, Instruction* i, int size, out ulong linear) => Check(s, i, size, out linear);

    private static bool Check(CpuState* s, Instruction* i, int size, out ulong linear)
    {
        ulong offset = LinearMemory.Offset(s, i);
        linear = (uint)(s->SegmentBase[i->SegmentBaseIndex] + offset);
        SegmentCache* segment = &s->Es + i->Segment;
        if (offset + (ulong)size - 1 <= segment->Limit)
        {
            return true;
        }

        Faults.Raise(s, i->Segment == (byte)SegmentRegister.Ss ? ExceptionVector.StackSegmentFault : ExceptionVector.GeneralProtection, 0);
        return false;
    }
}
