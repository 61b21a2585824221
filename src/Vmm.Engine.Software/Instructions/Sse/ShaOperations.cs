using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>The SHA extensions (FIPS 180-4; SDM Vol. 2B SHA1RNDS4 and the ones after). Element 3 holds the first word.</summary>
internal static unsafe class ShaOperations
{
    public static void Register(HandlerTable table)
    {
        Set<Sha1NextE>(table, Code.Sha1nexte_xmm_xmmm128);
        Set<Sha1Message1>(table, Code.Sha1msg1_xmm_xmmm128);
        Set<Sha1Message2>(table, Code.Sha1msg2_xmm_xmmm128);
        Set<Sha256Message1>(table, Code.Sha256msg1_xmm_xmmm128);
        Set<Sha256Message2>(table, Code.Sha256msg2_xmm_xmmm128);
        table.Set(Code.Sha1rnds4_xmm_xmmm128_imm8, &VectorInstruction.ImmediateRegister<Sha1Rounds>, &VectorInstruction.ImmediateMemory<Sha1Rounds>);
        table.Set(Code.Sha256rnds2_xmm_xmmm128, &Sha256RoundsRegister, &Sha256RoundsMemory);
    }

    private static void Set<T>(HandlerTable table, Code code) where T : struct, IVectorBinary =>
        table.Set(code, &VectorInstruction.BinaryRegister<T>, &VectorInstruction.BinaryMemory<T>);

    private static uint Word(V value, int element) => value.AsUInt32().GetElement(element);

    private static V Words(uint word0, uint word1, uint word2, uint word3) => Vector128.Create(word0, word1, word2, word3).AsByte();

    private readonly struct Sha1NextE : IVectorBinary
    {
        public static V Apply(V a, V b) => b.AsUInt32().WithElement(3, Word(b, 3) + uint.RotateLeft(Word(a, 3), 30)).AsByte();
    }

    private readonly struct Sha1Message1 : IVectorBinary
    {
        public static V Apply(V a, V b) => a ^ Words(Word(b, 2), Word(b, 3), Word(a, 0), Word(a, 1));
    }

    private readonly struct Sha1Message2 : IVectorBinary
    {
        public static V Apply(V a, V b)
        {
            uint w16 = uint.RotateLeft(Word(a, 3) ^ Word(b, 2), 1);
            uint w17 = uint.RotateLeft(Word(a, 2) ^ Word(b, 1), 1);
            uint w18 = uint.RotateLeft(Word(a, 1) ^ Word(b, 0), 1);
            uint w19 = uint.RotateLeft(Word(a, 0) ^ w16, 1);
            return Words(w19, w18, w17, w16);
        }
    }

    /// <summary>Four rounds; the second operand's first word has E added in.</summary>
    private readonly struct Sha1Rounds : IVectorBinaryImmediate
    {
        public static V Apply(V state, V message, byte immediate)
        {
            int function = immediate & 3;
            uint constant = function switch { 0 => 0x5A82_7999, 1 => 0x6ED9_EBA1, 2 => 0x8F1B_BCDC, _ => 0xCA62_C1D6 };
            uint a = Word(state, 3);
            uint b = Word(state, 2);
            uint c = Word(state, 1);
            uint d = Word(state, 0);
            uint e = 0;
            for (int round = 0; round < 4; round++)
            {
                uint next = Mix(function, b, c, d) + uint.RotateLeft(a, 5) + Word(message, 3 - round) + e + constant;
                (e, d, c, b, a) = (d, c, uint.RotateLeft(b, 30), a, next);
            }

            return Words(d, c, b, a);
        }

        private static uint Mix(int function, uint b, uint c, uint d) => function switch
        {
            0 => (b & c) ^ (~b & d),
            2 => (b & c) ^ (b & d) ^ (c & d),
            _ => b ^ c ^ d,
        };
    }

    private readonly struct Sha256Message1 : IVectorBinary
    {
        public static V Apply(V a, V b) => Words(
            Word(a, 0) + Sigma(Word(a, 1)), Word(a, 1) + Sigma(Word(a, 2)), Word(a, 2) + Sigma(Word(a, 3)), Word(a, 3) + Sigma(Word(b, 0)));

        private static uint Sigma(uint x) => uint.RotateRight(x, 7) ^ uint.RotateRight(x, 18) ^ (x >> 3);
    }

    private readonly struct Sha256Message2 : IVectorBinary
    {
        public static V Apply(V a, V b)
        {
            uint w16 = Word(a, 0) + Sigma(Word(b, 2));
            uint w17 = Word(a, 1) + Sigma(Word(b, 3));
            return Words(w16, w17, Word(a, 2) + Sigma(w16), Word(a, 3) + Sigma(w17));
        }

        private static uint Sigma(uint x) => uint.RotateRight(x, 17) ^ uint.RotateRight(x, 19) ^ (x >> 10);
    }

    private static Outcome Sha256RoundsRegister(CpuState* s, Instruction* i) => Sha256Rounds(s, i, Operands.Register<V>(s, i->Source));

    private static Outcome Sha256RoundsMemory(CpuState* s, Instruction* i) =>
        VectorInstruction.LoadAligned(s, i, out V source) ? Sha256Rounds(s, i, source) : SlowAccess.Failure(s);

    /// <summary>Two rounds: C, D, G, H in the destination, A, B, E, F in the source, words with their constants in XMM0.</summary>
    private static Outcome Sha256Rounds(CpuState* s, Instruction* i, V source)
    {
        ref V destination = ref Operands.Register<V>(s, i->Destination);
        V words = Operands.Register<V>(s, (ushort)CpuState.VectorOffset);
        (uint a, uint b, uint e, uint f) = (Word(source, 3), Word(source, 2), Word(source, 1), Word(source, 0));
        (uint c, uint d, uint g, uint h) = (Word(destination, 3), Word(destination, 2), Word(destination, 1), Word(destination, 0));
        for (int round = 0; round < 2; round++)
        {
            uint sum = ((e & f) ^ (~e & g)) + Sigma(e, 6, 11, 25) + Word(words, round) + h;
            uint majority = (a & b) ^ (a & c) ^ (b & c);
            (h, g, f, e, d, c, b, a) = (g, f, e, sum + d, c, b, a, sum + majority + Sigma(a, 2, 13, 22));
        }

        destination = Words(f, e, b, a);
        return Outcome.Next;
    }

    private static uint Sigma(uint x, int first, int second, int third) =>
        uint.RotateRight(x, first) ^ uint.RotateRight(x, second) ^ uint.RotateRight(x, third);
}
