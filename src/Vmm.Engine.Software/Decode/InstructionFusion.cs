using Iced.Intel;
using Vmm.Engine.Software.Instructions.Integer;
using Vmm.Engine.Software.Instructions.System;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// Joins two instructions into one step where a handler for both exists: a comparison and the conditional branch after it,
/// STI and the NOP in its shadow.
/// </summary>
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
        Join(first, last, handler);
        return true;
    }

    /// <summary>Whether two instructions are STI and a NOP, in a mode that lets blocks have more than one.</summary>
    public static bool IsShadowedNop(in Iced.Intel.Instruction first, in Iced.Intel.Instruction second, uint mode) =>
        first.Code == Code.Sti && second.Mnemonic == Mnemonic.Nop && (mode & (BlockMode.SizeMask | BlockMode.Single)) == BlockMode.Code64;

    /// <summary>Fuses STI and the NOP after it. Kernels have a place to be patched there, so that most of their STIs have one.</summary>
    public static void FuseShadow(Instruction* sti, Instruction* nop) => Join(sti, nop, &FlagRegister.EnableInterruptsBehindNop);

    private static void Join(Instruction* first, Instruction* last, delegate*<CpuState*, Instruction*, Outcome> handler)
    {
        first->Length += last->Length;
        first->Weight = 2;
        first->Execute = handler;
    }
}
