using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>What an instruction makes of a memory or register operand. Sets flags; may run again when another processor intervened.</summary>
internal unsafe interface IModification
{
    /// <param name="s">The processor; flags as before the instruction.</param>
    /// <param name="bits">Operand size.</param>
    /// <param name="a">The operand to be replaced, zero-extended.</param>
    /// <param name="b">The other operand; bits above the operand size are junk or sign.</param>
    /// <returns>The replacement; bits above the operand size are dropped.</returns>
    static abstract ulong Apply(CpuState* s, int bits, ulong a, ulong b);
}

/// <summary>Memory operands that are read, changed and written back, as one step for other processors when locked.</summary>
internal static unsafe class ReadModifyWrite
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Outcome Memory<TOperation, T>(CpuState* s, Instruction* i, ulong b)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        return Memory<TOperation, T>(s, i, b, out _);
    }

    /// <summary>As the other overload, giving the old value too.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Outcome Memory<TOperation, T>(CpuState* s, Instruction* i, ulong b, out ulong old)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        old = 0;
        return Operands.WriteAddress(s, i, sizeof(T), out ulong linear)
            ? At<TOperation, T>(s, linear, b, (i->Flags & InstructionFlags.Lock) != 0, out old)
            : SlowAccess.Failure(s);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Outcome At<TOperation, T>(CpuState* s, ulong linear, ulong b, bool locked, out ulong old)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        byte* host = LinearMemory.WritePointer<T>(s, linear);
        if (host != null && !locked)
        {
            old = Width.Read<T>(host);
            Width.Write<T>(host, TOperation.Apply(s, Width.Bits<T>(), old, b));
            return Outcome.Next;
        }

        return host != null
            ? Locked<TOperation, T>(s, host, b, out old)
            : locked ? SlowLocked<TOperation, T>(s, linear, b, out old) : Slow<TOperation, T>(s, linear, b, out old);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome Locked<TOperation, T>(CpuState* s, byte* host, ulong b, out ulong old)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        (ulong result, ulong carries) = (s->FlagResult, s->FlagCarries);
        while (true)
        {
            old = Width.Read<T>(host);
            ulong replacement = TOperation.Apply(s, Width.Bits<T>(), old, b);
            if (AtomicMemory.CompareExchange<T>(host, replacement, old) == old)
            {
                return Outcome.Next;
            }

            (s->FlagResult, s->FlagCarries) = (result, carries);
        }
    }

    /// <summary>
    /// A miss must not cost the lock: once the TLB is filled the access is atomic after all. What still needs attention
    /// (page crossings, code pages, devices) is serialised with its like. The operand is not read to find out: to a device
    /// a read is an event.
    /// </summary>
    private static Outcome SlowLocked<TOperation, T>(CpuState* s, ulong linear, ulong b, out ulong old)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        if (!SlowAccess.ProbeWrite(s, linear, sizeof(T)))
        {
            old = 0;
            return SlowAccess.Failure(s);
        }

        byte* host = LinearMemory.WritePointer<T>(s, linear);
        if (host != null)
        {
            return Locked<TOperation, T>(s, host, b, out old);
        }

        lock (LogicalProcessor.Of(s).Memory.AddressSpace.BusLock)
        {
            return Slow<TOperation, T>(s, linear, b, out old);
        }
    }

    /// <summary>TLB miss, page crossing, device memory, code page: checked as a write first, then read, then written.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome Slow<TOperation, T>(CpuState* s, ulong linear, ulong b, out ulong old)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        old = 0;
        if (!SlowAccess.LoadForWrite(s, linear, out T value))
        {
            return SlowAccess.Failure(s);
        }

        (ulong result, ulong carries) = (s->FlagResult, s->FlagCarries);
        old = Width.ZeroExtend(value);
        ulong replacement = TOperation.Apply(s, Width.Bits<T>(), old, b);
        if (SlowAccess.Store(s, linear, Width.Narrow<T>(replacement)))
        {
            return Outcome.Next;
        }

        (s->FlagResult, s->FlagCarries) = (result, carries);
        return SlowAccess.Failure(s);
    }
}

/// <summary>Atomic steps on guest memory. Naturally aligned operands are atomic on every host; others where the host is an x86.</summary>
internal static unsafe class AtomicMemory
{
    public static ulong CompareExchange<T>(byte* host, ulong replacement, ulong expected) where T : unmanaged
    {
        if (((nuint)host & (nuint)(sizeof(T) - 1)) != 0 && !X86Base.IsSupported)
        {
            ulong current = Width.Read<T>(host);
            if (current == Width.Truncate<T>(expected))
            {
                Width.Write<T>(host, replacement);
            }

            return current;
        }

        return sizeof(T) switch
        {
            1 => Interlocked.CompareExchange(ref *host, (byte)replacement, (byte)expected),
            2 => Interlocked.CompareExchange(ref *(ushort*)host, (ushort)replacement, (ushort)expected),
            4 => Interlocked.CompareExchange(ref *(uint*)host, (uint)replacement, (uint)expected),
            _ => Interlocked.CompareExchange(ref *(ulong*)host, replacement, expected),
        };
    }
}
