using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Events;

/// <summary>Debug exceptions (SDM Vol. 3B ch. 18).</summary>
internal static unsafe class DebugExceptions
{
    private const ulong Breakpoints = 15;

    /// <summary>Sets DR6 from the causes of a debug exception that is delivered, and clears DR7.GD.</summary>
    public static void Record(CpuState* s, ulong causes)
    {
        s->Dr[6] = (s->Dr[6] & ~Breakpoints) | (causes & (Breakpoints | (ulong)(Dr6Bits.Bd | Dr6Bits.Bs | Dr6Bits.Bt))) | (ulong)Dr6Bits.Fixed1;
        s->Dr[7] &= ~(ulong)Dr7Bits.Gd;
    }

    /// <summary>Enabled instruction breakpoints at RIP, as causes (18.3.1.1); 0 while RF suppresses them.</summary>
    public static ulong AtInstruction(CpuState* s)
    {
        if ((s->Dr[7] & 0xFF) == 0 || (s->SystemFlags & (ulong)RflagsBits.Rf) != 0)
        {
            return 0;
        }

        ulong linear = Segmentation.ProcessorMode.Is64Bit(s) ? s->Rip : (uint)(s->Cs.Base + s->Rip);
        ulong causes = 0;
        bool enabled = false;
        for (int n = 0; n < 4; n++)
        {
            if ((s->Dr[7] >> (16 + (n * 4)) & 15) == 0 && s->Dr[n] == linear)
            {
                causes |= 1UL << n;
                enabled |= IsEnabled(s, n);
            }
        }

        return enabled ? causes : 0;
    }

    /// <summary>I/O breakpoints (CR4.DE, condition 2) that an access meets, as pending causes.</summary>
    public static void NotePortAccess(CpuState* s, ushort port, int width)
    {
        if ((s->Dr[7] & 0xFF) == 0 || (s->Cr4 & (ulong)Cr4Bits.De) == 0)
        {
            return;
        }

        for (int n = 0; n < 4; n++)
        {
            ulong length = (s->Dr[7] >> (18 + (n * 4)) & 3) switch { 0 => 1UL, 1 => 2, 2 => 8, _ => 4 };
            ulong start = s->Dr[n] & ~(length - 1);
            if (IsEnabled(s, n) && (s->Dr[7] >> (16 + (n * 4)) & 3) == 2 && start < (ulong)port + (ulong)width && port < start + length)
            {
                s->PendingDebugExceptions |= (1UL << n) | (ulong)PendingDebugExceptions.EnabledBreakpoint;
                s->EventPending = 1;
            }
        }
    }

    private static bool IsEnabled(CpuState* s, int n) => (s->Dr[7] >> (n * 2) & 3) != 0;
}
