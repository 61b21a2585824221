using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>
/// VPGATHERDD, VGATHERDPS and kin: elements at addresses of their own. Each one that was loaded is written and its mask
/// cleared, so that after a fault, or an exit for device memory, the instruction starts again with the rest (SDM Vol. 2C
/// VPGATHERDD). Equal registers are the decoder's to refuse.
/// </summary>
internal static unsafe class Gathers
{
    public static void Register(HandlerTable table)
    {
        foreach (Code code in (ReadOnlySpan<Code>)[Code.VEX_Vpgatherdd_xmm_vm32x_xmm, Code.VEX_Vgatherdps_xmm_vm32x_xmm])
        {
            table.Set(code, null, &Gather<int, int, V>);
            table.Set(code + 1, null, &Gather<int, int, Vector256<byte>>);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.VEX_Vpgatherdq_xmm_vm32x_xmm, Code.VEX_Vgatherdpd_xmm_vm32x_xmm])
        {
            table.Set(code, null, &Gather<long, int, V>);
            table.Set(code + 1, null, &Gather<long, int, Vector256<byte>>);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.VEX_Vpgatherqd_xmm_vm64x_xmm, Code.VEX_Vgatherqps_xmm_vm64x_xmm])
        {
            table.Set(code, null, &Gather<int, long, V>);
            table.Set(code + 1, null, &Gather<int, long, Vector256<byte>>);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.VEX_Vpgatherqq_xmm_vm64x_xmm, Code.VEX_Vgatherqpd_xmm_vm64x_xmm])
        {
            table.Set(code, null, &Gather<long, long, V>);
            table.Set(code + 1, null, &Gather<long, long, Vector256<byte>>);
        }
    }

    // Elements and indexes fit in a vector: the wider of the two decides how many there are.
    private static Outcome Gather<T, TIndex, TVector>(CpuState* s, Instruction* i)
        where T : unmanaged
        where TIndex : unmanaged
        where TVector : unmanaged
    {
        int count = sizeof(TVector) / Math.Max(sizeof(T), sizeof(TIndex));
        SpreadMask<T, TVector>(s, i->Source2);
        for (int n = 0; n < count; n++)
        {
            ref T mask = ref Operands.Register<T>(s, (ushort)(i->Source2 + (n * sizeof(T))));
            if (!IsSelected(mask))
            {
                continue;
            }

            ulong offset = Offset<TIndex>(s, i, n);
            if (!VectorElements.Address(s, i, offset, sizeof(T), write: false, out ulong linear) || !VectorElements.Load(s, linear, out T value))
            {
                return SlowAccess.Failure(s);
            }

            Operands.Register<T>(s, (ushort)(i->Destination + (n * sizeof(T)))) = value;
            Clear(s, i->Destination, sizeof(TVector));
            mask = default;
        }

        Clear(s, i->Destination, count * sizeof(T));
        Clear(s, i->Source2, 0);
        return Outcome.Next;
    }

    // Seen after a fault: elements that are still to be loaded have all bits set in the mask.
    private static void SpreadMask<T, TVector>(CpuState* s, ushort register)
        where T : unmanaged
        where TVector : unmanaged
    {
        for (int n = 0; n < sizeof(TVector) / sizeof(int); n++)
        {
            // The sign is in the last dword of an element.
            var position = (ushort)(register + ((n | ((sizeof(T) / sizeof(int)) - 1)) * sizeof(int)));
            Operands.Register<int>(s, (ushort)(register + (n * sizeof(int)))) = Operands.Register<int>(s, position) >> 31;
        }

        Clear(s, register, sizeof(TVector));
    }

    private static bool IsSelected<T>(T mask) where T : unmanaged => (((byte*)&mask)[sizeof(T) - 1] & 0x80) != 0;

    private static ulong Offset<TIndex>(CpuState* s, Instruction* i, int n) where TIndex : unmanaged
    {
        var position = (ushort)(i->Index + (n * sizeof(TIndex)));
        ulong index = sizeof(TIndex) == 4 ? (ulong)Operands.Register<int>(s, position) : Operands.Register<ulong>(s, position);
        return (Operands.Register<ulong>(s, i->Base) + (index << i->Scale) + i->Displacement) & i->AddressMask;
    }

    /// <summary>Clears what is above some bytes of a register.</summary>
    private static void Clear(CpuState* s, ushort register, int from)
    {
        for (int n = from; n < sizeof(Vector256<byte>); n += sizeof(ulong))
        {
            Operands.Register<ulong>(s, (ushort)(register + n)) = 0;
        }
    }
}
