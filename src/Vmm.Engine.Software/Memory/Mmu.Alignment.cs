using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>Alignment checks (SDM Vol. 3A 6.15, interrupt 17).</summary>
internal sealed unsafe partial class Mmu
{
    /// <summary>
    /// Raises what a misaligned save area gets: #GP(0), unless its address is non-canonical on the stack. With alignment
    /// checks #AC for what is not even aligned to 4 bytes, as processors do (SDM Vol. 2A FXSAVE leaves the width open).
    /// </summary>
    public Outcome FailMisaligned(ulong linear)
    {
        if (Canonical(linear, 1, stack: false))
        {
            FailureOutcome = ChecksAlignment && (linear & 3) != 0
                ? Faults.Raise(_state, ExceptionVector.AlignmentCheck, 0)
                : Faults.GeneralProtection(_state);
        }

        return FailureOutcome;
    }

    // SDM Vol. 3A table 6-7; moves of 16 bytes that need no alignment are not checked ("may or may not be", 6.15).
    private static ulong AlignmentMask(int size) => size switch
    {
        2 or 4 or 8 => (ulong)size - 1,
        10 => 7,
        _ => 0,
    };

    // SDM Vol. 3A 6.15, interrupt 17
    private bool ChecksAlignment =>
        _state->Cpl == 3 && (_state->Cr0 & (ulong)Cr0Bits.Am) != 0 && (_state->SystemFlags & (ulong)RflagsBits.Ac) != 0;
}
