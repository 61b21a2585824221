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
/// VMASKMOVPS, VMASKMOVPD, VPMASKMOVD and VPMASKMOVQ: only elements whose mask has its top bit set are accessed, and can
/// fault; the others load as zeros (SDM Vol. 2C VMASKMOV).
/// </summary>
internal static unsafe class MaskedMoves
{
    private const int MostElements = 8;

    public static void Register(HandlerTable table)
    {
        Set<int>(table, Code.VEX_Vmaskmovps_xmm_xmm_m128, Code.VEX_Vmaskmovps_m128_xmm_xmm);
        Set<long>(table, Code.VEX_Vmaskmovpd_xmm_xmm_m128, Code.VEX_Vmaskmovpd_m128_xmm_xmm);
        Set<int>(table, Code.VEX_Vpmaskmovd_xmm_xmm_m128, Code.VEX_Vpmaskmovd_m128_xmm_xmm);
        Set<long>(table, Code.VEX_Vpmaskmovq_xmm_xmm_m128, Code.VEX_Vpmaskmovq_m128_xmm_xmm);
    }

    private static void Set<T>(HandlerTable table, Code load, Code store) where T : unmanaged
    {
        table.Set(load, null, &Load<T, V>);
        table.Set(load + 1, null, &Load<T, Vector256<byte>>);
        table.Set(store, null, &Store<T, V>);
        table.Set(store + 1, null, &Store<T, Vector256<byte>>);
    }

    // Both have the mask for their second operand.
    private static bool IsSelected<T>(CpuState* s, Instruction* i, int n) where T : unmanaged =>
        (Operands.Register<byte>(s, (ushort)(i->Source + (n * sizeof(T)) + sizeof(T) - 1)) & 0x80) != 0;

    private static bool Address<T>(CpuState* s, Instruction* i, int n, bool write, out ulong linear) where T : unmanaged =>
        VectorElements.Address(s, i, LinearMemory.Offset(s, i) + (ulong)(n * sizeof(T)), sizeof(T), write, out linear);

    /// <summary>The addresses of all selected elements: segment checks come before page faults.</summary>
    private static bool Addresses<T, TVector>(CpuState* s, Instruction* i, bool write, ulong* addresses)
        where T : unmanaged
        where TVector : unmanaged
    {
        for (int n = 0; n < sizeof(TVector) / sizeof(T); n++)
        {
            if (IsSelected<T>(s, i, n) && !Address<T>(s, i, n, write, out addresses[n]))
            {
                return false;
            }
        }

        return true;
    }

    private static Outcome Load<T, TVector>(CpuState* s, Instruction* i)
        where T : unmanaged
        where TVector : unmanaged
    {
        ulong* addresses = stackalloc ulong[MostElements];
        if (!Addresses<T, TVector>(s, i, write: false, addresses))
        {
            return SlowAccess.Failure(s);
        }

        Vector256<byte> result = default;
        for (int n = 0; n < sizeof(TVector) / sizeof(T); n++)
        {
            if (IsSelected<T>(s, i, n) && !VectorElements.Load(s, addresses[n], out ((T*)&result)[n]))
            {
                return SlowAccess.Failure(s);
            }
        }

        Operands.Register<Vector256<byte>>(s, i->Destination) = result;
        return Outcome.Next;
    }

    // All is checked before anything is written.
    private static Outcome Store<T, TVector>(CpuState* s, Instruction* i)
        where T : unmanaged
        where TVector : unmanaged
    {
        ulong* addresses = stackalloc ulong[MostElements];
        if (!Addresses<T, TVector>(s, i, write: true, addresses))
        {
            return SlowAccess.Failure(s);
        }

        for (int n = 0; n < sizeof(TVector) / sizeof(T); n++)
        {
            if (IsSelected<T>(s, i, n) && !VectorElements.Probe<T>(s, addresses[n]))
            {
                return SlowAccess.Failure(s);
            }
        }

        for (int n = 0; n < sizeof(TVector) / sizeof(T); n++)
        {
            if (IsSelected<T>(s, i, n)
                && !VectorElements.Store(s, addresses[n], Operands.Register<T>(s, (ushort)(i->Source2 + (n * sizeof(T))))))
            {
                return SlowAccess.Failure(s);
            }
        }

        return Outcome.Next;
    }
}
