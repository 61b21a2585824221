using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Xsave;

/// <summary>FXSAVE and FXRSTOR (SDM Vol. 1 10.5). Neither looks at pending x87 exceptions.</summary>
internal static unsafe class Fxsave
{
    private const ulong Unavailable = (ulong)(Cr0Bits.Em | Cr0Bits.Ts);

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Fxsave_m512byte, null, &Save);
        table.Set(Code.Fxsave64_m512byte, null, &Save);
        table.Set(Code.Fxrstor_m512byte, null, &Restore);
        table.Set(Code.Fxrstor64_m512byte, null, &Restore);
    }

    private static Outcome Save(CpuState* s, Instruction* i)
    {
        if ((s->Cr0 & Unavailable) != 0)
        {
            return Faults.Raise(s, ExceptionVector.DeviceNotAvailable);
        }

        if (!Operands.WriteAddress(s, i, LegacyRegion.Size, out ulong linear))
        {
            return SlowAccess.Failure(s);
        }

        if ((linear & 15) != 0)
        {
            return SlowAccess.Misaligned(s, linear);
        }

        Span<byte> region = stackalloc byte[LegacyRegion.Size];
        LegacyRegion.StoreX87(s, region, i->Code == (ushort)Code.Fxsave64_m512byte);
        int length = LegacyRegion.VectorsOffset;
        if ((s->Cr4 & (ulong)Cr4Bits.Osfxsr) != 0)
        {
            LegacyRegion.StoreMxcsr(s, region);
            LegacyRegion.StoreVectors(s, region, LegacyRegion.VectorCount(i));
            length += LegacyRegion.VectorCount(i) * 16;
        }

        return SaveAreaAccess.CanWrite(s, linear, LegacyRegion.Size) && SaveAreaAccess.Store(s, linear, region[..length])
            ? Outcome.Next
            : SlowAccess.Failure(s);
    }

    private static Outcome Restore(CpuState* s, Instruction* i)
    {
        if ((s->Cr0 & Unavailable) != 0)
        {
            return Faults.Raise(s, ExceptionVector.DeviceNotAvailable);
        }

        if (!Operands.ReadAddress(s, i, LegacyRegion.Size, out ulong linear))
        {
            return SlowAccess.Failure(s);
        }

        if ((linear & 15) != 0)
        {
            return SlowAccess.Misaligned(s, linear);
        }

        Span<byte> region = stackalloc byte[LegacyRegion.Size];
        if (!SaveAreaAccess.Load(s, linear, region))
        {
            return SlowAccess.Failure(s);
        }

        // Without OSFXSR the SSE part is not there for anyone (SDM Vol. 2A "FXRSTOR": implementation-dependent).
        if ((s->Cr4 & (ulong)Cr4Bits.Osfxsr) != 0)
        {
            uint mxcsr = LegacyRegion.ReadMxcsr(region);
            if ((mxcsr & ~Mxcsr.Mask) != 0)
            {
                return Faults.GeneralProtection(s);
            }

            s->Mxcsr = mxcsr;
            LegacyRegion.LoadVectors(s, region, LegacyRegion.VectorCount(i));
        }

        LegacyRegion.LoadX87(s, region, i->Code == (ushort)Code.Fxrstor64_m512byte);
        return Outcome.Next;
    }
}
