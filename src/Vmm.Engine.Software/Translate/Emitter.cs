using System.Runtime.CompilerServices;
using Iced.Intel;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// Writes host instructions: the few that translations are glued together with, by hand; the guest's own by Iced, through
/// <see cref="CodeWriter"/>. 64-bit operands unless a name says otherwise.
/// </summary>
/// <remarks>Unsafe invariant: the caller keeps <see cref="Position"/> below the end of the code memory.</remarks>
internal sealed unsafe partial class Emitter(CodeMemory memory) : CodeWriter
{
    private readonly byte* _base = memory.Writable;
    private readonly byte* _executable = memory.Executable;
    private byte* _next = memory.Writable;

    /// <summary>Offset of the next byte.</summary>
    public int Position
    {
        get => (int)(_next - _base);
        set => _next = _base + value;
    }

    /// <summary>Where the code at an offset runs.</summary>
    public byte* Address(int position) => _executable + position;

    public override void WriteByte(byte value) => *_next++ = value;

    public void Byte(int value) => *_next++ = (byte)value;

    public void Int32(int value)
    {
        Unsafe.WriteUnaligned(_next, value);
        _next += 4;
    }

    public void UInt64(ulong value)
    {
        Unsafe.WriteUnaligned(_next, value);
        _next += 8;
    }

    public void Mov(HostRegister to, HostRegister from) => RegisterForm(0x8B, wide: true, to, from);

    public void Mov32(HostRegister to, HostRegister from) => RegisterForm(0x8B, wide: false, to, from);

    /// <summary>Sets a register to a constant, flags kept.</summary>
    public void MovImmediate(HostRegister to, ulong value)
    {
        if (value <= uint.MaxValue)
        {
            Rex(wide: false, 0, 0, (int)to);
            Byte(0xB8 + ((int)to & 7));
            Int32((int)value);
        }
        else if ((ulong)(int)value == value)
        {
            Rex(wide: true, 0, 0, (int)to);
            Byte(0xC7);
            Byte(0xC0 + ((int)to & 7));
            Int32((int)value);
        }
        else
        {
            Rex(wide: true, 0, 0, (int)to);
            Byte(0xB8 + ((int)to & 7));
            UInt64(value);
        }
    }

    public void Load(HostRegister to, HostRegister @base, int displacement) => MemoryForm(0x8B, true, to, @base, displacement);

    public void Load32(HostRegister to, HostRegister @base, int displacement) => MemoryForm(0x8B, false, to, @base, displacement);

    public void Store(HostRegister @base, int displacement, HostRegister from) => MemoryForm(0x89, true, from, @base, displacement);

    /// <summary>Address arithmetic, flags kept.</summary>
    public void Lea(HostRegister to, HostRegister @base, HostRegister index, int scale, int displacement, bool wide = true)
    {
        if (index == HostRegister.None)
        {
            if (displacement == 0 && wide)
            {
                if (to != @base)
                {
                    Mov(to, @base);
                }

                return;
            }

            MemoryForm(0x8D, wide, to, @base, displacement);
            return;
        }

        Rex(wide, (int)to, (int)index, @base == HostRegister.None ? 0 : (int)@base);
        Byte(0x8D);
        int sib = (scale << 6) | (((int)index & 7) << 3);
        if (@base == HostRegister.None)
        {
            Byte((((int)to & 7) << 3) | 4);
            Byte(sib | 5);
            Int32(displacement);
            return;
        }

        bool isShort = (sbyte)displacement == displacement;
        Byte((isShort ? 0x44 : 0x84) | (((int)to & 7) << 3));
        Byte(sib | ((int)@base & 7));
        if (isShort)
        {
            Byte(displacement);
        }
        else
        {
            Int32(displacement);
        }
    }

    /// <summary>An instruction with a register and a memory operand: opcode, ModR/M.</summary>
    public void MemoryForm(int opcode, bool wide, HostRegister register, HostRegister @base, int displacement)
    {
        Rex(wide, (int)register, 0, (int)@base);
        Byte(opcode);
        ModRm((int)register, @base, displacement);
    }

    /// <summary>An instruction with two register operands: opcode, ModR/M; <paramref name="register"/> is in its reg field.</summary>
    public void RegisterForm(int opcode, bool wide, HostRegister register, HostRegister rm)
    {
        Rex(wide, (int)register, 0, (int)rm);
        Byte(opcode);
        Byte(0xC0 | (((int)register & 7) << 3) | ((int)rm & 7));
    }

    public void ShiftRight32(HostRegister register, int count) => ByteImmediateForm(0xC1, false, 5, register, count);

    public void ShiftLeft(HostRegister register, int count) => ByteImmediateForm(0xC1, true, 4, register, count);

    public void ShiftRightSigned(HostRegister register, int count, bool wide) => ByteImmediateForm(0xC1, wide, 7, register, count);

    public void ShiftLeft32(HostRegister register, int count) => ByteImmediateForm(0xC1, false, 4, register, count);

    public void And32(HostRegister register, int mask)
    {
        RegisterForm(0x81, false, (HostRegister)4, register);
        Int32(mask);
    }

    public void Or32(HostRegister register, int mask)
    {
        RegisterForm(0x81, false, (HostRegister)1, register);
        Int32(mask);
    }

    public void Test32(HostRegister register, int mask)
    {
        RegisterForm(0xF7, false, 0, register);
        Int32(mask);
    }

    public void Cmp(HostRegister register, int immediate)
    {
        RegisterForm(0x81, true, (HostRegister)7, register);
        Int32(immediate);
    }

    public void Cmp(HostRegister register, HostRegister @base, int displacement) => MemoryForm(0x3B, true, register, @base, displacement);

    public void Xor(HostRegister register, HostRegister @base, int displacement) => MemoryForm(0x33, true, register, @base, displacement);

    public void Add(HostRegister register, HostRegister @base, int displacement) => MemoryForm(0x03, true, register, @base, displacement);

    /// <summary>RORX: flags kept.</summary>
    public void RotateRight(HostRegister to, HostRegister from, int count)
    {
        Byte(0xC4);
        Byte(0x43 | ((int)to < 8 ? 0x80 : 0) | ((int)from < 8 ? 0x20 : 0));
        Byte(0xFB);
        Byte(0xF0);
        Byte(0xC0 | (((int)to & 7) << 3) | ((int)from & 7));
        Byte(count);
    }

    /// <summary>MOV of the low byte.</summary>
    public void MovLow(HostRegister to, HostRegister from)
    {
        Byte(0x40 | ((int)from >> 3 << 2) | ((int)to >> 3));
        Byte(0x88);
        Byte(0xC0 | (((int)from & 7) << 3) | ((int)to & 7));
    }

    public void Exchange(HostRegister one, HostRegister other) => RegisterForm(0x87, true, one, other);

    /// <summary>MOVZX of a byte or a word.</summary>
    public void LoadZeroExtended(HostRegister to, HostRegister @base, int displacement, int size)
    {
        Rex(false, (int)to, 0, (int)@base);
        Byte(0x0F);
        Byte(size == 1 ? 0xB6 : 0xB7);
        ModRm((int)to, @base, displacement);
    }

    /// <summary>TEST of the low byte.</summary>
    public void TestLow(HostRegister register, int mask)
    {
        Byte(0x40 | ((int)register >> 3));
        Byte(0xF6);
        Byte(0xC0 | ((int)register & 7));
        Byte(mask);
    }

    /// <summary>A conditional jump forward; the result is for <see cref="Bind"/>.</summary>
    public int Jcc(HostCondition condition)
    {
        Byte(0x0F);
        Byte(0x80 | (int)condition);
        Int32(0);
        return Position;
    }

    /// <summary>A jump forward; the result is for <see cref="Bind"/>.</summary>
    public int Jmp()
    {
        Byte(0xE9);
        Int32(0);
        return Position;
    }

    /// <summary>A jump to an offset.</summary>
    public void Jmp(int target)
    {
        Byte(0xE9);
        Int32(target - Position - 4);
    }

    public void Call(int target)
    {
        Byte(0xE8);
        Int32(target - Position - 4);
    }

    /// <summary>Makes a jump, given by the offset behind it, lead to an offset.</summary>
    public void Patch(int behindJump, int target) => Unsafe.WriteUnaligned(_base + behindJump - 4, target - behindJump);

    /// <summary>Makes a jump forward lead here.</summary>
    public void Bind(int behindJump) => Patch(behindJump, Position);

    public void JmpIndirect(HostRegister register)
    {
        Rex(false, 0, 0, (int)register);
        Byte(0xFF);
        Byte(0xE0 | ((int)register & 7));
    }

    public void JmpIndirect(HostRegister @base, int displacement) => MemoryForm(0xFF, false, (HostRegister)4, @base, displacement);

    public void Push(HostRegister register)
    {
        Rex(false, 0, 0, (int)register);
        Byte(0x50 | ((int)register & 7));
    }

    public void Pop(HostRegister register)
    {
        Rex(false, 0, 0, (int)register);
        Byte(0x58 | ((int)register & 7));
    }

    public void Ret() => Byte(0xC3);

    /// <summary>SF, ZF, AF, PF and CF to AH.</summary>
    public void Lahf() => Byte(0x9F);

    /// <summary>AH to SF, ZF, AF, PF and CF.</summary>
    public void Sahf() => Byte(0x9E);

    /// <summary>OF to AL.</summary>
    public void SetoAl()
    {
        Byte(0x0F);
        Byte(0x90);
        Byte(0xC0);
    }

    /// <summary>ADD AL, imm8.</summary>
    public void AddAl(int immediate)
    {
        Byte(0x04);
        Byte(immediate);
    }

    private void ByteImmediateForm(int opcode, bool wide, int extension, HostRegister register, int immediate)
    {
        RegisterForm(opcode, wide, (HostRegister)extension, register);
        Byte(immediate);
    }

    private void Rex(bool wide, int register, int index, int rm)
    {
        int rex = (wide ? 8 : 0) | ((register >> 3) << 2) | ((index >> 3) << 1) | (rm >> 3);
        if (rex != 0)
        {
            Byte(0x40 | rex);
        }
    }

    private void ModRm(int register, HostRegister @base, int displacement)
    {
        int low = (int)@base & 7;
        bool isShort = (sbyte)displacement == displacement;
        int mode = displacement == 0 && low != 5 ? 0 : isShort ? 0x40 : 0x80;
        Byte(mode | ((register & 7) << 3) | low);
        if (low == 4)
        {
            Byte(0x24);
        }

        if (mode == 0x40)
        {
            Byte(displacement);
        }
        else if (mode == 0x80)
        {
            Int32(displacement);
        }
    }
}
