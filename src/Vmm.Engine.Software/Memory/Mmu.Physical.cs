namespace Vmm.Engine.Software.Memory;

/// <summary>Guest-physical reads of the processor itself.</summary>
internal sealed unsafe partial class Mmu
{
    /// <summary>Reads an aligned entry of a paging structure that CR3 points to; false: return <see cref="FailureOutcome"/>.</summary>
    public bool ReadGuestPhysical(ulong guestPhysical, out ulong value)
    {
        value = 0;
        if (!_ept.Translate(guestPhysical, AccessKind.Read, 0, true, out ulong physical, out _))
        {
            FailureOutcome = _ept.FailureOutcome;
            return false;
        }

        value = _physical.Read(physical);
        return true;
    }
}
