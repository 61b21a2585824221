using System.Runtime.CompilerServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>
/// MOVS, STOS, LODS, CMPS and SCAS with their repeat prefixes (SDM Vol. 1 7.3.9). A repeated instruction keeps its
/// progress in rCX, rSI and rDI, so that a fault or an interrupt in its middle finds exact state and it goes on where
/// it was; RFLAGS change when it ends, not before (SDM Vol. 2B "REP"). (INS and OUTS are I/O instructions.)
/// </summary>
internal static unsafe class StringInstructions
{
    /// <summary>Iterations between two looks at pending events.</summary>
    private const int Burst = 4096;

    public static void Register(HandlerTable table)
    {
        Set<byte>(table, Code.Movsb_m8_m8, Code.Stosb_m8_AL, Code.Lodsb_AL_m8, Code.Cmpsb_m8_m8, Code.Scasb_AL_m8);
        Set<ushort>(table, Code.Movsw_m16_m16, Code.Stosw_m16_AX, Code.Lodsw_AX_m16, Code.Cmpsw_m16_m16, Code.Scasw_AX_m16);
        Set<uint>(table, Code.Movsd_m32_m32, Code.Stosd_m32_EAX, Code.Lodsd_EAX_m32, Code.Cmpsd_m32_m32, Code.Scasd_EAX_m32);
        Set<ulong>(table, Code.Movsq_m64_m64, Code.Stosq_m64_RAX, Code.Lodsq_RAX_m64, Code.Cmpsq_m64_m64, Code.Scasq_RAX_m64);
    }

    private static void Set<T>(HandlerTable table, Code move, Code store, Code load, Code compare, Code scan) where T : unmanaged
    {
        table.Set(move, &Run<Move, T>);
        table.Set(store, &Run<StoreString, T>);
        table.Set(load, &Run<LoadString, T>);
        table.Set(compare, &Run<Compare, T>);
        table.Set(scan, &Run<Scan, T>);
    }

    /// <summary>One string operation: a single step, and a bulk step where memory allows.</summary>
    private interface IStringOperation
    {
        /// <summary>Whether ZF ends a repetition (REPE, REPNE).</summary>
        static abstract bool Compares { get; }

        static abstract bool UsesSource { get; }

        static abstract bool UsesDestination { get; }

        /// <summary>One element at offsets rSI and rDI; false: <see cref="SlowAccess.Failure"/>.</summary>
        static abstract bool Step<T>(CpuState* s, Instruction* i) where T : unmanaged;

        /// <summary>Up to <paramref name="count"/> elements upwards at once; how many were done, 0 when only single steps will do.</summary>
        static abstract ulong Bulk<T>(CpuState* s, Instruction* i, ulong count) where T : unmanaged;
    }

    private static Outcome Run<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IStringOperation
        where T : unmanaged
    {
        if ((i->Flags & (InstructionFlags.Rep | InstructionFlags.Repne)) == 0)
        {
            if (!TOperation.Step<T>(s, i))
            {
                return SlowAccess.Failure(s);
            }

            Advance<TOperation, T>(s, i, 1);
            return Outcome.Next;
        }

        return Repeat<TOperation, T>(s, i);
    }

    private static Outcome Repeat<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IStringOperation
        where T : unmanaged
    {
        bool whileEqual = (i->Flags & InstructionFlags.Repne) == 0;
        (ulong Result, ulong Carries) before = (s->FlagResult, s->FlagCarries);
        for (int n = 0; n < Burst; n++)
        {
            ulong count = s->Gpr.Rcx & i->AddressMask;
            if (count == 0)
            {
                return Repetition.Complete(s);
            }

            ulong done = (s->SystemFlags & (ulong)RflagsBits.Df) == 0 && (s->BlockMode & BlockMode.Single) == 0
                ? TOperation.Bulk<T>(s, i, count)
                : 0;
            if (done == 0)
            {
                if (!TOperation.Step<T>(s, i))
                {
                    (s->FlagResult, s->FlagCarries) = before;
                    return SlowAccess.Failure(s);
                }

                done = 1;
            }

            Advance<TOperation, T>(s, i, done);
            SetCount(s, i, count - done);
            if (TOperation.Compares && ArithmeticFlags.ZeroFlag(s) != whileEqual)
            {
                return Repetition.Complete(s);
            }

            if ((s->BlockMode & BlockMode.Single) != 0 || Volatile.Read(ref s->EventPending) != 0)
            {
                break;
            }
        }

        if ((s->Gpr.Rcx & i->AddressMask) == 0)
        {
            return Repetition.Complete(s);
        }

        (s->FlagResult, s->FlagCarries) = before;
        return Repetition.Suspend(s, i);
    }

    private static void Advance<TOperation, T>(CpuState* s, Instruction* i, ulong count)
        where TOperation : struct, IStringOperation
        where T : unmanaged
    {
        ulong distance = count * (ulong)sizeof(T);
        if ((s->SystemFlags & (ulong)RflagsBits.Df) != 0)
        {
            distance = 0 - distance;
        }

        if (TOperation.UsesSource)
        {
            s->Gpr.Rsi = Moved(s->Gpr.Rsi, distance, i);
        }

        if (TOperation.UsesDestination)
        {
            s->Gpr.Rdi = Moved(s->Gpr.Rdi, distance, i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Moved(ulong register, ulong distance, Instruction* i) => i->AddressSize switch
    {
        8 => register + distance,
        4 => (uint)(register + distance),
        _ => (register & ~0xFFFFUL) | (ushort)(register + distance),
    };

    private static void SetCount(CpuState* s, Instruction* i, ulong count) => s->Gpr.Rcx = i->AddressSize switch
    {
        8 => count,
        4 => (uint)count,
        _ => (s->Gpr.Rcx & ~0xFFFFUL) | (ushort)count,
    };

    private static bool SourceAddress(CpuState* s, Instruction* i, int size, out ulong linear)
    {
        ulong offset = s->Gpr.Rsi & i->AddressMask;
        linear = s->SegmentBase[i->SegmentBaseIndex] + offset;
        return (i->Flags & InstructionFlags.Code64) != 0
            || SegmentedAddress.ForRead(s, (SegmentRegister)i->Segment, offset, size, out linear);
    }

    private static bool DestinationAddress(CpuState* s, Instruction* i, int size, bool write, out ulong linear)
    {
        ulong offset = s->Gpr.Rdi & i->AddressMask;
        linear = offset;
        if ((i->Flags & InstructionFlags.Code64) != 0)
        {
            return true;
        }

        return write
            ? SegmentedAddress.ForWrite(s, SegmentRegister.Es, offset, size, out linear)
            : SegmentedAddress.ForRead(s, SegmentRegister.Es, offset, size, out linear);
    }

    /// <summary>Host address for reading on the page of a linear address, and the bytes left on it; null without a TLB hit.</summary>
    private static byte* ReadRun(CpuState* s, ulong linear, out ulong bytes)
    {
        TlbEntry* entry = s->ReadTlb + ((linear >> Tlb.PageShift) & (Tlb.EntryCount - 1));
        bytes = 0x1000 - (linear & 0xFFF);
        ulong offset = linear ^ entry->Tag;
        return offset < 0x1000 ? entry->Page + offset : null;
    }

    /// <summary>As <see cref="ReadRun"/> for writing <paramref name="wanted"/> bytes; decoded code that they overwrite is dropped all at once.</summary>
    private static byte* WriteRun(CpuState* s, ulong linear, ulong wanted, out ulong bytes)
    {
        bytes = 0x1000 - (linear & 0xFFF);
        byte* host = LinearMemory.WritePointer<byte>(s, linear);
        return host != null || wanted < WorthClearing
            ? host
            : LogicalProcessor.Of(s).Mmu.ClearForWrite(linear, (int)Math.Min(wanted, bytes));
    }

    // Fewer bytes are as well written one by one.
    private const ulong WorthClearing = 256;

    // Offsets in a flat segment are linear addresses.
    private static bool IsFlat(CpuState* s, Instruction* i, int segment) =>
        (i->Flags & InstructionFlags.Code64) != 0 || (s->BlockMode >> BlockMode.CheckedShift + segment & 1) == 0;

    private struct Move : IStringOperation
    {
        public static bool Compares => false;

        public static bool UsesSource => true;

        public static bool UsesDestination => true;

        public static bool Step<T>(CpuState* s, Instruction* i) where T : unmanaged =>
            SourceAddress(s, i, sizeof(T), out ulong source)
            && LinearMemory.Load(s, source, out T value)
            && DestinationAddress(s, i, sizeof(T), write: true, out ulong destination)
            && LinearMemory.Store(s, destination, value);

        public static ulong Bulk<T>(CpuState* s, Instruction* i, ulong count) where T : unmanaged
        {
            if (!IsFlat(s, i, i->Segment) || !IsFlat(s, i, (int)SegmentRegister.Es))
            {
                return 0;
            }

            byte* from = ReadRun(s, s->SegmentBase[i->SegmentBaseIndex] + (s->Gpr.Rsi & i->AddressMask), out ulong readable);
            byte* to = WriteRun(s, s->Gpr.Rdi & i->AddressMask, count * (ulong)sizeof(T), out ulong writable);
            ulong elements = Math.Min(count, Math.Min(readable, writable) / (ulong)sizeof(T));
            if (from == null || to == null || elements == 0)
            {
                return 0;
            }

            ulong bytes = elements * (ulong)sizeof(T);
            if (to > from && to < from + bytes)
            {
                // An overlap that spreads a pattern upwards must go element by element.
                for (ulong n = 0; n < bytes; n += (ulong)sizeof(T))
                {
                    Unsafe.WriteUnaligned(to + n, Unsafe.ReadUnaligned<T>(from + n));
                }
            }
            else
            {
                Buffer.MemoryCopy(from, to, bytes, bytes);
            }

            return elements;
        }
    }

    private struct StoreString : IStringOperation
    {
        public static bool Compares => false;

        public static bool UsesSource => false;

        public static bool UsesDestination => true;

        public static bool Step<T>(CpuState* s, Instruction* i) where T : unmanaged =>
            DestinationAddress(s, i, sizeof(T), write: true, out ulong destination)
            && LinearMemory.Store(s, destination, Width.Narrow<T>(s->Gpr.Rax));

        public static ulong Bulk<T>(CpuState* s, Instruction* i, ulong count) where T : unmanaged
        {
            if (!IsFlat(s, i, (int)SegmentRegister.Es))
            {
                return 0;
            }

            byte* to = WriteRun(s, s->Gpr.Rdi & i->AddressMask, count * (ulong)sizeof(T), out ulong writable);
            ulong elements = Math.Min(count, writable / (ulong)sizeof(T));
            if (to == null || elements == 0)
            {
                return 0;
            }

            new Span<T>(to, (int)elements).Fill(Width.Narrow<T>(s->Gpr.Rax));
            return elements;
        }
    }

    private struct LoadString : IStringOperation
    {
        public static bool Compares => false;

        public static bool UsesSource => true;

        public static bool UsesDestination => false;

        public static bool Step<T>(CpuState* s, Instruction* i) where T : unmanaged
        {
            if (!SourceAddress(s, i, sizeof(T), out ulong source) || !LinearMemory.Load(s, source, out T value))
            {
                return false;
            }

            Width.WriteRegister<T>(s, (ushort)CpuState.GprOffset(0), Width.ZeroExtend(value));
            return true;
        }

        public static ulong Bulk<T>(CpuState* s, Instruction* i, ulong count) where T : unmanaged => 0;
    }

    private struct Compare : IStringOperation
    {
        public static bool Compares => true;

        public static bool UsesSource => true;

        public static bool UsesDestination => true;

        public static bool Step<T>(CpuState* s, Instruction* i) where T : unmanaged
        {
            if (!SourceAddress(s, i, sizeof(T), out ulong source) || !LinearMemory.Load(s, source, out T a)
                || !DestinationAddress(s, i, sizeof(T), write: false, out ulong destination) || !LinearMemory.Load(s, destination, out T b))
            {
                return false;
            }

            Subtract.Apply(s, Width.Bits<T>(), Width.ZeroExtend(a), Width.ZeroExtend(b));
            return true;
        }

        public static ulong Bulk<T>(CpuState* s, Instruction* i, ulong count) where T : unmanaged => 0;
    }

    private struct Scan : IStringOperation
    {
        public static bool Compares => true;

        public static bool UsesSource => false;

        public static bool UsesDestination => true;

        public static bool Step<T>(CpuState* s, Instruction* i) where T : unmanaged
        {
            if (!DestinationAddress(s, i, sizeof(T), write: false, out ulong destination) || !LinearMemory.Load(s, destination, out T b))
            {
                return false;
            }

            Subtract.Apply(s, Width.Bits<T>(), Width.Truncate<T>(s->Gpr.Rax), Width.ZeroExtend(b));
            return true;
        }

        public static ulong Bulk<T>(CpuState* s, Instruction* i, ulong count) where T : unmanaged => 0;
    }
}
