using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>A far pointer in memory: offset of the operand size, then the selector.</summary>
internal static unsafe class FarPointer
{
    public static bool Read(CpuState* s, Instruction* i, out ushort selector, out ulong offset)
    {
        selector = 0;
        offset = 0;
        int size = i->OperandSize;
        if (!Operands.ReadAddress(s, i, size + 2, out ulong linear))
        {
            return false;
        }

        bool done;
        switch (size)
        {
            case 2:
                done = LinearMemory.Load(s, linear, out ushort word);
                offset = word;
                break;
            case 4:
                done = LinearMemory.Load(s, linear, out uint doubleword);
                offset = doubleword;
                break;
            default:
                done = LinearMemory.Load(s, linear, out offset);
                break;
        }

        return done && LinearMemory.Load(s, linear + (ulong)size, out selector);
    }
}
