using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions.Avx;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>AES-NI (FIPS 197; SDM Vol. 1 12.13).</summary>
internal static unsafe class AesOperations
{
    private static readonly byte[] SubstitutionBox = MakeSubstitutionBox();
    private static readonly byte[] InverseSubstitutionBox = Invert(SubstitutionBox);

    public static void Register(HandlerTable table)
    {
        Set<EncryptRound>(table, Code.Aesenc_xmm_xmmm128, Code.VEX_Vaesenc_xmm_xmm_xmmm128);
        Set<EncryptLastRound>(table, Code.Aesenclast_xmm_xmmm128, Code.VEX_Vaesenclast_xmm_xmm_xmmm128);
        Set<DecryptRound>(table, Code.Aesdec_xmm_xmmm128, Code.VEX_Vaesdec_xmm_xmm_xmmm128);
        Set<DecryptLastRound>(table, Code.Aesdeclast_xmm_xmmm128, Code.VEX_Vaesdeclast_xmm_xmm_xmmm128);
        table.Set(Code.Aesimc_xmm_xmmm128, &VectorInstruction.UnaryRegister<InverseMixColumns>, &VectorInstruction.UnaryMemory<InverseMixColumns>);
        table.Set(Code.Aeskeygenassist_xmm_xmmm128_imm8, &VectorInstruction.ImmediateRegister<KeyGenerationAssist>, &VectorInstruction.ImmediateMemory<KeyGenerationAssist>);
        VexForms.Unary128<InverseMixColumns>(table, Code.VEX_Vaesimc_xmm_xmmm128);
        VexForms.Shuffle128<KeyGenerationAssist>(table, Code.VEX_Vaeskeygenassist_xmm_xmmm128_imm8);
    }

    private static void Set<T>(HandlerTable table, Code code, Code vex) where T : struct, IVectorBinary
    {
        table.Set(code, &VectorInstruction.BinaryRegister<T>, &VectorInstruction.BinaryMemory<T>);
        VexForms.Binary128<T>(table, vex);
    }

    private readonly struct EncryptRound : IVectorBinary
    {
        public static V Apply(V state, V key) => MixColumns(Permute(state, SubstitutionBox, 5), 2, 3, 1, 1) ^ key;
    }

    private readonly struct EncryptLastRound : IVectorBinary
    {
        public static V Apply(V state, V key) => Permute(state, SubstitutionBox, 5) ^ key;
    }

    private readonly struct DecryptRound : IVectorBinary
    {
        public static V Apply(V state, V key) => MixColumns(Permute(state, InverseSubstitutionBox, 13), 14, 11, 13, 9) ^ key;
    }

    private readonly struct DecryptLastRound : IVectorBinary
    {
        public static V Apply(V state, V key) => Permute(state, InverseSubstitutionBox, 13) ^ key;
    }

    private readonly struct InverseMixColumns : IVectorUnary
    {
        public static V Apply(V state) => MixColumns(state, 14, 11, 13, 9);
    }

    private readonly struct KeyGenerationAssist : IVectorBinaryImmediate
    {
        public static V Apply(V a, V b, byte roundConstant)
        {
            uint x1 = Substitute(b.AsUInt32().GetElement(1));
            uint x3 = Substitute(b.AsUInt32().GetElement(3));
            return Vector128.Create(x1, uint.RotateRight(x1, 8) ^ roundConstant, x3, uint.RotateRight(x3, 8) ^ roundConstant).AsByte();
        }

        private static uint Substitute(uint word) =>
            SubstitutionBox[(byte)word] | ((uint)SubstitutionBox[(byte)(word >> 8)] << 8)
            | ((uint)SubstitutionBox[(byte)(word >> 16)] << 16) | ((uint)SubstitutionBox[word >> 24] << 24);
    }

    /// <summary>ShiftRows and SubBytes: byte n comes from byte n·step mod 16 (5 forwards, 13 backwards).</summary>
    private static V Permute(V state, byte[] box, int step)
    {
        Span<byte> result = stackalloc byte[16];
        for (int n = 0; n < 16; n++)
        {
            result[n] = box[state.GetElement((n * step) & 15)];
        }

        return Vector128.Create<byte>(result);
    }

    private static V MixColumns(V state, byte c0, byte c1, byte c2, byte c3)
    {
        Span<byte> result = stackalloc byte[16];
        for (int column = 0; column < 16; column += 4)
        {
            for (int row = 0; row < 4; row++)
            {
                result[column + row] = (byte)(
                    Multiply(state.GetElement(column + row), c0)
                    ^ Multiply(state.GetElement(column + ((row + 1) & 3)), c1)
                    ^ Multiply(state.GetElement(column + ((row + 2) & 3)), c2)
                    ^ Multiply(state.GetElement(column + ((row + 3) & 3)), c3));
            }
        }

        return Vector128.Create<byte>(result);
    }

    /// <summary>Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 4.2).</summary>
    private static byte Multiply(byte a, byte b)
    {
        int product = 0;
        int factor = a;
        for (int n = b; n != 0; n >>= 1)
        {
            if ((n & 1) != 0)
            {
                product ^= factor;
            }

            factor = (factor << 1) ^ ((factor & 0x80) != 0 ? 0x11B : 0);
        }

        return (byte)product;
    }

    /// <summary>Multiplicative inverse, then the affine transformation (FIPS 197 5.1.1).</summary>
    private static byte[] MakeSubstitutionBox()
    {
        byte[] box = new byte[256];
        for (int n = 0; n < 256; n++)
        {
            byte inverse = 0;
            for (int candidate = 1; candidate < 256 && n != 0; candidate++)
            {
                if (Multiply((byte)n, (byte)candidate) == 1)
                {
                    inverse = (byte)candidate;
                    break;
                }
            }

            int x = inverse;
            box[n] = (byte)(x ^ Rotate(x, 1) ^ Rotate(x, 2) ^ Rotate(x, 3) ^ Rotate(x, 4) ^ 0x63);
        }

        return box;

        static int Rotate(int value, int count) => ((value << count) | (value >> (8 - count))) & 0xFF;
    }

    private static byte[] Invert(byte[] box)
    {
        byte[] inverse = new byte[256];
        for (int n = 0; n < 256; n++)
        {
            inverse[box[n]] = (byte)n;
        }

        return inverse;
    }
}
