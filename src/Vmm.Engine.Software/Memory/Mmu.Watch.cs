using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Memory;

/// <summary>Data breakpoints (SDM Vol. 3B 18.2.4): while one is enabled every access takes the slow path.</summary>
internal sealed unsafe partial class Mmu
{
    /// <summary>Bit 12 of the pending debug exceptions: some enabled breakpoint was met (SDM Vol. 3C table 25-4).</summary>
    private const ulong EnabledBreakpoint = 1 << 12;

    private bool WatchesData
    {
        get
        {
            for (int n = 0; n < 4; n++)
            {
                if (IsEnabled(n) && (Condition(n) & 1) != 0)
                {
                    return true;
                }
            }

            return false;
        }
    }

    // Noted now, delivered as a trap after the instruction: breakpoints make blocks of one instruction.
    private void Watch(ulong linear, int size, bool write)
    {
        for (int n = 0; n < 4; n++)
        {
            ulong length = (_state->Dr[7] >> (18 + n * 4) & 3) switch { 0 => 1UL, 1 => 2, 2 => 8, _ => 4 };
            ulong start = _state->Dr[n] & ~(length - 1);
            bool kind = Condition(n) == 3 || (write && Condition(n) == 1);
            if (IsEnabled(n) && kind && start < linear + (ulong)size && linear < start + length)
            {
                _state->PendingDebugExceptions |= 1UL << n | EnabledBreakpoint;
                Volatile.Write(ref _state->EventPending, 1);
            }
        }
    }

    private bool IsEnabled(int n) => (_state->Dr[7] >> (n * 2) & 3) != 0;

    private int Condition(int n) => (int)(_state->Dr[7] >> (16 + n * 4)) & 3;
}
