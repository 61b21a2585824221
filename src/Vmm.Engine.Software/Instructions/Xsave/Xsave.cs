using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions.X87;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Xsave;

/// <summary>XSAVE, XSAVEOPT and XRSTOR for x87, SSE and AVX state in standard form (SDM Vol. 1 13.7 to 13.9).</summary>
internal static unsafe class Xsave
{
    private const ulong X87 = 1;
    private const ulong Sse = 2;
    private const ulong Avx = 4;

    /// <summary>MXCSR goes with SSE and with AVX state.</summary>
    private const ulong WithMxcsr = 6;

    private const int HeaderSize = 64;
    private const int AreaSize = LegacyRegion.Size + HeaderSize;
    private const int AreaSizeWithAvx = AvxRegion.Offset + AvxRegion.Size;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Xsave_mem, null, &Save);
        table.Set(Code.Xsave64_mem, null, &Save);
        table.Set(Code.Xsaveopt_mem, null, &SaveOptimized);
        table.Set(Code.Xsaveopt64_mem, null, &SaveOptimized);
        table.Set(Code.Xrstor_mem, null, &Restore);
        table.Set(Code.Xrstor64_mem, null, &Restore);
    }

    private static Outcome Save(CpuState* s, Instruction* i) => Save(s, i, optimized: false);

    // The modified optimisation is not taken: writing what is in memory already is never wrong.
    private static Outcome SaveOptimized(CpuState* s, Instruction* i) => Save(s, i, optimized: true);

    private static Outcome Save(CpuState* s, Instruction* i, bool optimized)
    {
        if (!IsAvailable(s, out Outcome outcome))
        {
            return outcome;
        }

        ulong requested = Requested(s);
        int size = Size(requested);
        if (!Operands.WriteAddress(s, i, size, out ulong linear))
        {
            return SlowAccess.Failure(s);
        }

        if ((linear & 63) != 0)
        {
            return SlowAccess.Misaligned(s, linear);
        }

        ulong inUse = InUse(s);
        ulong saved = optimized ? requested & inUse : requested;
        if (!SaveAreaAccess.CanWrite(s, linear, size) || !LinearMemory.Load(s, linear + LegacyRegion.Size, out ulong present))
        {
            return SlowAccess.Failure(s);
        }

        bool wide = i->Code is (ushort)Code.Xsave64_mem or (ushort)Code.Xsaveopt64_mem;
        return StoreX87(s, linear, (saved & X87) != 0, wide)
            && StoreMxcsr(s, linear, (requested & WithMxcsr) != 0)
            && StoreVectors(s, linear, (saved & Sse) != 0, LegacyRegion.VectorCount(i))
            && StoreUpperHalves(s, linear, (saved & Avx) != 0, LegacyRegion.VectorCount(i))
            && LinearMemory.Store(s, linear + LegacyRegion.Size, (present & ~requested) | (inUse & requested))
            ? Outcome.Next
            : SlowAccess.Failure(s);
    }

    // MXCSR lies in the middle of the x87 part and is not the x87's.
    private static bool StoreX87(CpuState* s, ulong linear, bool wanted, bool wide)
    {
        if (!wanted)
        {
            return true;
        }

        Span<byte> region = stackalloc byte[LegacyRegion.Size];
        LegacyRegion.StoreX87(s, region, wide);
        ulong data = BinaryPrimitives.ReadUInt64LittleEndian(region[16..]);
        return SaveAreaAccess.Store(s, linear, region[..16])
            && LinearMemory.Store(s, linear + 16, data)
            && SaveAreaAccess.Store(s, linear + LegacyRegion.RegistersOffset, region[LegacyRegion.RegistersOffset..LegacyRegion.VectorsOffset]);
    }

    private static bool StoreMxcsr(CpuState* s, ulong linear, bool wanted) =>
        !wanted || LinearMemory.Store(s, linear + LegacyRegion.MxcsrOffset, s->Mxcsr | ((ulong)Mxcsr.Mask << 32));

    private static bool StoreVectors(CpuState* s, ulong linear, bool wanted, int count)
    {
        for (int n = 0; wanted && n < count; n++)
        {
            if (!LinearMemory.Store(s, linear + LegacyRegion.VectorsOffset + ((ulong)n * 16), LegacyRegion.Vector(s, n)))
            {
                return false;
            }
        }

        return true;
    }

    private static bool StoreUpperHalves(CpuState* s, ulong linear, bool wanted, int count)
    {
        for (int n = 0; wanted && n < count; n++)
        {
            if (!LinearMemory.Store(s, linear + AvxRegion.Offset + ((ulong)n * 16), AvxRegion.UpperHalf(s, n)))
            {
                return false;
            }
        }

        return true;
    }

    private static Outcome Restore(CpuState* s, Instruction* i)
    {
        if (!IsAvailable(s, out Outcome outcome))
        {
            return outcome;
        }

        ulong requested = Requested(s);
        int size = Size(requested);
        if (!Operands.ReadAddress(s, i, size, out ulong linear))
        {
            return SlowAccess.Failure(s);
        }

        if ((linear & 63) != 0)
        {
            return SlowAccess.Misaligned(s, linear);
        }

        Span<byte> area = stackalloc byte[AreaSizeWithAvx];
        if (!SaveAreaAccess.Load(s, linear, area[..size]))
        {
            return SlowAccess.Failure(s);
        }

        ulong present = BinaryPrimitives.ReadUInt64LittleEndian(area[LegacyRegion.Size..]);
        bool badHeader = (present & ~s->Xcr0) != 0 || area.Slice(LegacyRegion.Size + 8, 16).ContainsAnyExcept((byte)0);
        uint mxcsr = LegacyRegion.ReadMxcsr(area);
        bool loadsMxcsr = (requested & WithMxcsr) != 0;
        if (badHeader || (loadsMxcsr && (mxcsr & ~Mxcsr.Mask) != 0))
        {
            return Faults.GeneralProtection(s);
        }

        if (loadsMxcsr)
        {
            s->Mxcsr = mxcsr;
        }

        RestoreX87(s, area, requested, present, i->Code == (ushort)Code.Xrstor64_mem);
        RestoreVectors(s, area, requested, present, LegacyRegion.VectorCount(i));
        RestoreUpperHalves(s, area, requested, present, LegacyRegion.VectorCount(i));
        return Outcome.Next;
    }

    private static void RestoreX87(CpuState* s, ReadOnlySpan<byte> area, ulong requested, ulong present, bool wide)
    {
        if ((requested & present & X87) != 0)
        {
            LegacyRegion.LoadX87(s, area, wide);
        }
        else if ((requested & X87) != 0)
        {
            X87Control.Initialize(s);
            for (int n = 0; n < 8; n++)
            {
                X87Registers.Physical(s, n) = default;
            }
        }
    }

    private static void RestoreVectors(CpuState* s, ReadOnlySpan<byte> area, ulong requested, ulong present, int count)
    {
        if ((requested & present & Sse) != 0)
        {
            LegacyRegion.LoadVectors(s, area, count);
        }
        else if ((requested & Sse) != 0)
        {
            for (int n = 0; n < count; n++)
            {
                LegacyRegion.Vector(s, n) = default;
            }
        }
    }

    private static void RestoreUpperHalves(CpuState* s, ReadOnlySpan<byte> area, ulong requested, ulong present, int count)
    {
        if ((requested & present & Avx) != 0)
        {
            AvxRegion.Load(s, area, count);
        }
        else if ((requested & Avx) != 0)
        {
            AvxRegion.Clear(s, count);
        }
    }

    private static bool IsAvailable(CpuState* s, out Outcome outcome)
    {
        outcome = Outcome.Next;
        if ((s->Cr4 & (ulong)Cr4Bits.Osxsave) == 0)
        {
            outcome = Faults.InvalidOpcode(s);
        }
        else if ((s->Cr0 & (ulong)Cr0Bits.Ts) != 0)
        {
            outcome = Faults.Raise(s, ExceptionVector.DeviceNotAvailable);
        }

        return outcome == Outcome.Next;
    }

    /// <summary>RFBM: the components of EDX:EAX that XCR0 enables.</summary>
    private static ulong Requested(CpuState* s) => s->Xcr0 & ((s->Gpr.Rdx << 32) | (uint)s->Gpr.Rax);

    // What components that are not asked for would take is not accessed (SDM Vol. 1 13.4).
    private static int Size(ulong requested) => (requested & Avx) != 0 ? AreaSizeWithAvx : AreaSize;

    /// <summary>XINUSE: the components that are not in their initial configuration (SDM Vol. 1 13.6).</summary>
    private static ulong InUse(CpuState* s) => (IsX87InUse(s) ? X87 : 0) | (IsSseInUse(s) ? Sse : 0) | (AvxRegion.IsInUse(s) ? Avx : 0);

    private static bool IsX87InUse(CpuState* s)
    {
        if (s->FpuControl != X87Control.InitialControl || s->FpuStatus != 0 || s->FpuTop != 0 || s->FpuTagsEmpty != 0xFF
            || s->FpuLastOpcode != 0 || s->FpuLastInstruction != 0 || s->FpuLastData != 0)
        {
            return true;
        }

        for (int n = 0; n < 8; n++)
        {
            if (X87Registers.Physical(s, n) != default)
            {
                return true;
            }
        }

        return false;
    }

    // MXCSR counts here although it is restored whatever XSTATE_BV says: software reads its component's bit.
    private static bool IsSseInUse(CpuState* s)
    {
        if (s->Mxcsr != Mxcsr.Initial)
        {
            return true;
        }

        Vector128<byte> all = default;
        for (int n = 0; n < 16; n++)
        {
            all |= LegacyRegion.Vector(s, n);
        }

        return all != default;
    }
}
