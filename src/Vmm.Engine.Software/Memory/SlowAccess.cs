using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Memory;

/// <summary>Accesses that the TLB fast path cannot serve: fills the TLB, splits page crossings, calls out for device memory.</summary>
internal static unsafe class SlowAccess
{
    /// <summary>Loads into <see cref="CpuState.SlowResult"/>, zeros when it fails.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool LoadResult<T>(CpuState* s, ulong linear) where T : unmanaged =>
        LogicalProcessor.Of(s).Mmu.Read(linear, Result<T>(s));

    /// <summary>As <see cref="LoadResult{T}"/> for implicit accesses to the stack, whose non-canonical addresses are #SS.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool LoadStackResult<T>(CpuState* s, ulong linear) where T : unmanaged =>
        LogicalProcessor.Of(s).Mmu.Read(linear, Result<T>(s), stack: true);

    private static Span<byte> Result<T>(CpuState* s) where T : unmanaged
    {
        Span<byte> result = new(s->SlowResult, sizeof(T));
        result.Clear();
        return result;
    }

    /// <summary>Loads with the rights of a write, so that a read-modify-write instruction faults as a write.</summary>
    public static bool LoadForWrite<T>(CpuState* s, ulong linear, out T value) where T : unmanaged
    {
        value = default;
        return LogicalProcessor.Of(s).Mmu.ReadForWrite(linear, new Span<byte>(Unsafe.AsPointer(ref value), sizeof(T)));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool Store<T>(CpuState* s, ulong linear, T value) where T : unmanaged =>
        LogicalProcessor.Of(s).Mmu.Write(linear, new ReadOnlySpan<byte>(&value, sizeof(T)));

    /// <summary>As <see cref="Store{T}"/> for implicit accesses to the stack.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool StoreStack<T>(CpuState* s, ulong linear, T value) where T : unmanaged =>
        LogicalProcessor.Of(s).Mmu.Write(linear, new ReadOnlySpan<byte>(&value, sizeof(T)), stack: true);

    /// <summary>Whether a write would succeed, without any access; fills the TLB. False: return <see cref="Failure"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static bool ProbeWrite(CpuState* s, ulong linear, int size, bool stack = false) =>
        LogicalProcessor.Of(s).Mmu.ProbeWrite(linear, size, stack);

    /// <summary>What a handler returns for a misaligned FXSAVE or XSAVE area.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Outcome Misaligned(CpuState* s, ulong linear) => LogicalProcessor.Of(s).Mmu.FailMisaligned(linear);

    /// <summary>What a handler returns after an access failed: a fault, a restart or a leave, as the access decided.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Outcome Failure(CpuState* s) => LogicalProcessor.Of(s).Mmu.TakeFailure();
}
