using Iced.Intel;
using Vmm.Engine.Software.Instructions.Integer;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Decode;

/// <summary>Joins a comparison and the conditional branch after it into one step where a handler for both exists.</summary>
internal static unsafe class InstructionFusion
{
    /// <summary>Fuses the two last instructions of a block; true when <paramref name="last"/> has become part of <paramref name="first"/>.</summary>
    public static bool TryFuse(Instruction* first, Instruction* last, uint mode)
    {
        ulong target = last->Immediate;
        bool targetIsLegal = (mode & BlockMode.SizeMask) == BlockMode.Code64 ? Mmu.IsCanonical(target) : (mode & BlockMode.Limited) == 0;
        if (!targetIsLegal || (first->Flags & (InstructionFlags.Memory | InstructionFlags.Lock)) != 0)
        {
            return false;
        }

        delegate*<CpuState*, Instruction*, Outcome> handler = FusedBranches.Find((Code)first->Code, (Code)last->Code);
        if (handler == null)
        {
            return false;
        }

        first->AddressMask = last->NextRip;
        first->Displacement = target;
        first->Length += last->Length;
        first->Weight = 2;
        first->Execute = handler;
        return true;
    }
}
