using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.Xsave;

/// <summary>Moves save areas between a buffer and guest memory. Addresses and lengths are multiples of 16: no piece crosses a page.</summary>
internal static unsafe class SaveAreaAccess
{
    private const int Piece = 16;

    /// <summary>False: return <see cref="SlowAccess.Failure"/>.</summary>
    public static bool Load(CpuState* s, ulong linear, Span<byte> buffer)
    {
        for (int offset = 0; offset < buffer.Length; offset += Piece)
        {
            if (!LinearMemory.Load(s, linear + (ulong)offset, out Vector128<byte> piece))
            {
                return false;
            }

            MemoryMarshal.Write(buffer[offset..], piece);
        }

        return true;
    }

    /// <summary>
    /// Whether a range of at most one page can be written, so that no instruction writes half of its area and faults.
    /// False: return <see cref="SlowAccess.Failure"/>.
    /// </summary>
    public static bool CanWrite(CpuState* s, ulong linear, int length) =>
        CanWrite(s, linear) && CanWrite(s, linear + (ulong)length - Piece);

    private static bool CanWrite(CpuState* s, ulong linear) =>
        LinearMemory.WritePointer<Vector128<byte>>(s, linear) != null || SlowAccess.LoadForWrite(s, linear, out Vector128<byte> _);

    /// <summary>False: return <see cref="SlowAccess.Failure"/>.</summary>
    public static bool Store(CpuState* s, ulong linear, ReadOnlySpan<byte> buffer)
    {
        for (int offset = 0; offset < buffer.Length; offset += Piece)
        {
            if (!LinearMemory.Store(s, linear + (ulong)offset, MemoryMarshal.Read<Vector128<byte>>(buffer[offset..])))
            {
                return false;
            }
        }

        return true;
    }
}
