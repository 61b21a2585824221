using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>NOP in all lengths, reserved NOPs, ENDBR, prefetches and fences.</summary>
internal static unsafe class Hints
{
    public static void Register(HandlerTable table)
    {
        SetRange(table, Code.Nopw, Code.Nopq);
        SetRange(table, Code.Nop_rm16, Code.Nop_rm64);
        SetRange(table, Code.Reservednop_rm16_r16_0F0D, Code.Reservednop_rm64_r64_0F0D);
        SetRange(table, Code.Reservednop_rm16_r16_0F18, Code.Reservednop_rm64_r64_0F1F);
        SetRange(table, Code.Prefetch_m8, Code.Prefetchwt1_m8);
        SetRange(table, Code.Prefetchnta_m8, Code.Prefetcht2_m8);
        SetRange(table, Code.Prefetchreserved3_m8, Code.Prefetchreserved7_m8);

        // Hints, and shadow-stack reads, of processors that have more than this one: no operation here (SDM Vol. 2B NOP, RDSSP).
        SetRange(table, Code.Prefetchit1_m8, Code.Prefetchit0_m8);
        table.Set(Code.Cldemote_m8, &Nothing);
        table.Set(Code.Rdsspd_r32, &Nothing);
        table.Set(Code.Rdsspq_r64, &Nothing);
        table.Set(Code.Endbr32, &Nothing);
        table.Set(Code.Endbr64, &Nothing);
        SetRange(table, Code.Lfence, Code.Lfence_EF);
        SetRange(table, Code.Mfence, Code.Mfence_F7);
        SetRange(table, Code.Sfence, Code.Sfence_FF);
        for (Code code = Code.Mfence; code <= Code.Mfence_F7; code++)
        {
            table.Set(code, &Fence);
        }
    }

    private static void SetRange(HandlerTable table, Code first, Code last)
    {
        for (Code code = first; code <= last; code++)
        {
            table.Set(code, &Nothing);
        }
    }

    private static Outcome Nothing(CpuState* s, Instruction* i) => Outcome.Next;

    private static Outcome Fence(CpuState* s, Instruction* i)
    {
        Interlocked.MemoryBarrier();
        return Outcome.Next;
    }
}
