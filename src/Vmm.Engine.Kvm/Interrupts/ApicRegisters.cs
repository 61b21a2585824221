using System.Numerics;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>
/// The registers of a local APIC between KVM's form and the engine-neutral one. KVM keeps the page as xAPIC has it, with the
/// id in bits 31:24 also in x2APIC mode, and time as counts that are left.
/// </summary>
internal static unsafe class ApicRegisters
{
    private const int Id = 0x02, InService = 0x10, TriggerMode = 0x18, InterruptRequest = 0x20, LvtTimer = 0x32;
    private const int InitialCount = 0x38, CurrentCount = 0x39, DivideConfiguration = 0x3E;
    private const ulong X2ApicBits = 0xC00;
    private const uint OneShot = 0, Periodic = 1, Masked = 1 << 16;

    /// <summary>Copies registers out of KVM's form.</summary>
    /// <param name="from">KVM's page.</param>
    /// <param name="apicBase">IA32_APIC_BASE.</param>
    /// <param name="now">Now, in nanoseconds.</param>
    public static LocalApicState Read(ref readonly KvmLapicState from, ulong apicBase, long now)
    {
        var state = new LocalApicState { Base = apicBase };
        uint[] registers = state.Registers;
        for (int n = 0; n < LocalApicState.RegisterCount; n++)
        {
            registers[n] = from.Registers[4 * n];
        }

        if (IsX2Apic(apicBase))
        {
            registers[Id] >>= 24;
        }

        state.TimerExpiry = IsCounting(registers) ? now + (registers[CurrentCount] * Divisor(registers)) : null;
        return state;
    }

    /// <summary>Puts registers into KVM's form.</summary>
    public static KvmLapicState Write(LocalApicState state, long now)
    {
        KvmLapicState to = default;
        uint[] registers = state.Registers;
        for (int n = 0; n < LocalApicState.RegisterCount; n++)
        {
            to.Registers[4 * n] = registers[n];
        }

        if (IsX2Apic(state.Base))
        {
            to.Registers[4 * Id] <<= 24;
        }

        // KVM starts a timer with an initial count when it gets the registers, also one that has fired: such a one has none.
        long left = state.TimerExpiry is { } expiry ? Math.Clamp((expiry - now) / Divisor(registers), 1, registers[InitialCount]) : 0;
        to.Registers[4 * CurrentCount] = (uint)left;
        if (left == 0)
        {
            to.Registers[4 * InitialCount] = 0;
        }

        return to;
    }

    /// <summary>Vectors of level-triggered interrupts that wait or are in service: their ends are to be told.</summary>
    public static IEnumerable<byte> LevelTriggered(LocalApicState state)
    {
        for (int word = 0; word < 8; word++)
        {
            uint bits = state.Registers[TriggerMode + word] & (state.Registers[InService + word] | state.Registers[InterruptRequest + word]);
            for (; bits != 0; bits &= bits - 1)
            {
                yield return (byte)((32 * word) + BitOperations.TrailingZeroCount(bits));
            }
        }
    }

    // KVM says 0 from the expiry on until it starts the next period, or, for one shot, for ever. It keeps an expiry that it
    // has not made an interrupt of to itself, and forgets it when it gets registers. So a shot counts as not fired unless
    // its interrupt is there to be seen, or nobody would get it: one tick too many is better than a guest that waits for ever.
    private static bool IsCounting(uint[] registers) => registers[InitialCount] != 0 && TimerMode(registers) switch
    {
        Periodic => true,
        OneShot => registers[CurrentCount] != 0 || !((registers[LvtTimer] & Masked) != 0 || HasInterrupt(registers, (byte)registers[LvtTimer])),
        _ => false,
    };

    private static bool HasInterrupt(uint[] registers, byte vector) =>
        ((registers[InterruptRequest + (vector / 32)] | registers[InService + (vector / 32)]) & (1u << (vector % 32))) != 0;

    private static bool IsX2Apic(ulong apicBase) => (apicBase & X2ApicBits) == X2ApicBits;

    private static uint TimerMode(uint[] registers) => (registers[LvtTimer] >> 17) & 3;

    // Nanoseconds a tick of a bus of 1 GHz (SDM Vol. 3A figure 11-10).
    private static long Divisor(uint[] registers)
    {
        uint code = registers[DivideConfiguration];
        return 1L << (int)((((code >> 1) & 4) | (code & 3)) + 1 & 7);
    }
}
