using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>What Iced's operand kinds stand for.</summary>
internal static class OperandKinds
{
    public static bool IsRegisterOrMemory(OpCodeOperandKind kind) => kind is
        OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r64_or_mem
        or OpCodeOperandKind.mm_or_mem or OpCodeOperandKind.xmm_or_mem or OpCodeOperandKind.ymm_or_mem;

    /// <summary>Memory operands whose index is a vector.</summary>
    public static bool IsVectorIndexed(OpCodeOperandKind kind) => kind is
        OpCodeOperandKind.mem_vsib32x or OpCodeOperandKind.mem_vsib64x or OpCodeOperandKind.mem_vsib32y or OpCodeOperandKind.mem_vsib64y;

    /// <summary>First register and number of registers of a register operand; none for other kinds.</summary>
    public static (Register First, int Count) Registers(OpCodeOperandKind kind, int bitness)
    {
        int count = bitness == 64 ? 16 : 8;
        return kind switch
        {
            OpCodeOperandKind.r8_or_mem or OpCodeOperandKind.r8_reg or OpCodeOperandKind.r8_opcode => (Register.AL, bitness == 64 ? 20 : 8),
            OpCodeOperandKind.r16_or_mem or OpCodeOperandKind.r16_reg or OpCodeOperandKind.r16_rm or OpCodeOperandKind.r16_opcode
                or OpCodeOperandKind.r16_reg_mem => (Register.AX, count),
            OpCodeOperandKind.r32_or_mem or OpCodeOperandKind.r32_reg or OpCodeOperandKind.r32_rm or OpCodeOperandKind.r32_opcode
                or OpCodeOperandKind.r32_vvvv or OpCodeOperandKind.r32_reg_mem => (Register.EAX, count),
            OpCodeOperandKind.r64_or_mem or OpCodeOperandKind.r64_reg or OpCodeOperandKind.r64_rm or OpCodeOperandKind.r64_opcode
                or OpCodeOperandKind.r64_vvvv or OpCodeOperandKind.r64_reg_mem => (Register.RAX, count),
            OpCodeOperandKind.mm_or_mem or OpCodeOperandKind.mm_reg or OpCodeOperandKind.mm_rm => (Register.MM0, 8),
            OpCodeOperandKind.xmm_or_mem or OpCodeOperandKind.xmm_reg or OpCodeOperandKind.xmm_rm or OpCodeOperandKind.xmm_vvvv
                or OpCodeOperandKind.xmm_is4 => (Register.XMM0, count),
            OpCodeOperandKind.ymm_or_mem or OpCodeOperandKind.ymm_reg or OpCodeOperandKind.ymm_rm or OpCodeOperandKind.ymm_vvvv
                or OpCodeOperandKind.ymm_is4 => (Register.YMM0, count),
            OpCodeOperandKind.seg_reg => (Register.ES, 6),
            OpCodeOperandKind.sti_opcode => (Register.ST0, 8),
            OpCodeOperandKind.st0 => (Register.ST0, 1),
            OpCodeOperandKind.es => (Register.ES, 1),
            OpCodeOperandKind.cs => (Register.CS, 1),
            OpCodeOperandKind.ss => (Register.SS, 1),
            OpCodeOperandKind.ds => (Register.DS, 1),
            OpCodeOperandKind.fs => (Register.FS, 1),
            OpCodeOperandKind.gs => (Register.GS, 1),
            OpCodeOperandKind.al => (Register.AL, 1),
            OpCodeOperandKind.cl => (Register.CL, 1),
            OpCodeOperandKind.ax => (Register.AX, 1),
            OpCodeOperandKind.dx => (Register.DX, 1),
            OpCodeOperandKind.eax => (Register.EAX, 1),
            OpCodeOperandKind.rax => (Register.RAX, 1),
            _ => (Register.None, 0),
        };
    }

    /// <summary>Number of a general register, whatever its width, AH to BH as their whole register.</summary>
    public static int GeneralNumber(Register register) => register.GetFullRegister() - Register.RAX;
}
