using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>What asks for the top bits of lanes, or for all bits: variable blends, VPTEST, VTESTPS and the 256-bit VMOVMSKPS and kin.</summary>
internal static unsafe class BlendsAndTests
{
    public static void Register(HandlerTable table)
    {
        Blend<Bytes>(table, Code.VEX_Vpblendvb_xmm_xmm_xmmm128_xmm);
        Blend<Dwords>(table, Code.VEX_Vblendvps_xmm_xmm_xmmm128_xmm);
        Blend<Qwords>(table, Code.VEX_Vblendvpd_xmm_xmm_xmmm128_xmm);
        Test<All>(table, Code.VEX_Vptest_xmm_xmmm128);
        Test<Dwords>(table, Code.VEX_Vtestps_xmm_xmmm128);
        Test<Qwords>(table, Code.VEX_Vtestpd_xmm_xmmm128);
        table.Set(Code.VEX_Vmovmskps_r32_ymm, &Mask<Dwords>, null);
        table.Set(Code.VEX_Vmovmskps_r64_ymm, &Mask<Dwords>, null);
        table.Set(Code.VEX_Vmovmskpd_r32_ymm, &Mask<Qwords>, null);
        table.Set(Code.VEX_Vmovmskpd_r64_ymm, &Mask<Qwords>, null);
        table.Set(Code.VEX_Vpmovmskb_r32_ymm, &Mask<Bytes>, null);
        table.Set(Code.VEX_Vpmovmskb_r64_ymm, &Mask<Bytes>, null);
    }

    /// <summary>Lanes of a width, or none.</summary>
    private interface ILanes
    {
        /// <summary>All bits of the lanes whose top bit is set.</summary>
        static abstract V Spread(V value);

        /// <summary>The top bits of the lanes.</summary>
        static abstract (uint Bits, int Count) TopBits(V value);

        /// <summary>The bits that a test looks at.</summary>
        static abstract V Tested { get; }
    }

    private readonly struct Bytes : ILanes
    {
        public static V Tested => Vector128.Create((byte)0x80);

        public static V Spread(V value) => Vector128.LessThan(value.AsSByte(), default).AsByte();

        public static (uint Bits, int Count) TopBits(V value) => (value.ExtractMostSignificantBits(), 16);
    }

    private readonly struct Dwords : ILanes
    {
        public static V Tested => Vector128.Create(0x8000_0000).AsByte();

        public static V Spread(V value) => Vector128.LessThan(value.AsInt32(), default).AsByte();

        public static (uint Bits, int Count) TopBits(V value) => (value.AsUInt32().ExtractMostSignificantBits(), 4);
    }

    private readonly struct Qwords : ILanes
    {
        public static V Tested => Vector128.Create(1UL << 63).AsByte();

        public static V Spread(V value) => Vector128.LessThan(value.AsInt64(), default).AsByte();

        public static (uint Bits, int Count) TopBits(V value) => (value.AsUInt64().ExtractMostSignificantBits(), 2);
    }

    private readonly struct All : ILanes
    {
        public static V Tested => V.AllBitsSet;

        public static V Spread(V value) => value;

        public static (uint Bits, int Count) TopBits(V value) => default;
    }

    private static void Blend<T>(HandlerTable table, Code xmm) where T : struct, ILanes
    {
        table.Set(xmm, &Blend<T, V>);
        table.Set(xmm + 1, &Blend<T, Vector256<byte>>);
    }

    private static void Test<T>(HandlerTable table, Code xmm) where T : struct, ILanes
    {
        table.Set(xmm, &Test<T, V>);
        table.Set(xmm + 1, &Test<T, Vector256<byte>>);
    }

    /// <summary>The selector is the fourth operand: the decoder leaves its offset in the immediate.</summary>
    private static Outcome Blend<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, ILanes
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source2, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        var selector = (ushort)i->Immediate;
        lower = Vector128.ConditionalSelect(T.Spread(VexOperands.Lower(s, selector)), lower, VexOperands.Lower(s, i->Source));
        upper = VexOperands.Is256<TVector>()
            ? Vector128.ConditionalSelect(T.Spread(VexOperands.Upper(s, selector)), upper, VexOperands.Upper(s, i->Source))
            : default;
        VexOperands.Write(s, i->Destination, lower, upper);
        return Outcome.Next;
    }

    private static Outcome Test<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, ILanes
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        V both = lower & VexOperands.Lower(s, i->Destination);
        V sourceOnly = lower & ~VexOperands.Lower(s, i->Destination);
        if (VexOperands.Is256<TVector>())
        {
            both |= upper & VexOperands.Upper(s, i->Destination);
            sourceOnly |= upper & ~VexOperands.Upper(s, i->Destination);
        }

        ulong flags = (both & T.Tested) == V.Zero ? ArithmeticFlags.Zero : 0;
        flags |= (sourceOnly & T.Tested) == V.Zero ? ArithmeticFlags.Carry : 0;
        ArithmeticFlags.Write(s, flags);
        return Outcome.Next;
    }

    private static Outcome Mask<T>(CpuState* s, Instruction* i) where T : struct, ILanes
    {
        (uint lower, int count) = T.TopBits(VexOperands.Lower(s, i->Source));
        (uint upper, _) = T.TopBits(VexOperands.Upper(s, i->Source));
        Operands.WriteRegister(s, i->Destination, lower | (upper << count));
        return Outcome.Next;
    }
}
