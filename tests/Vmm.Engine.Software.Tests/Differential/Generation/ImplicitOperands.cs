using System.Buffers.Binary;
using Iced.Intel;
using Vmm.Engine.Software.Tests.Differential.Comparison;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Prepares what an instruction uses without naming it, so that cases do not all end in the same fault.</summary>
internal sealed unsafe class ImplicitOperands(Instruction instruction, InstructionForm form, CaseSlot* slot, CaseRandom random)
{
    private const int Rax = 0;
    private const int Rcx = 1;
    private const int Rdx = 2;
    private const int Rbx = 3;
    private const int Rsp = 4;
    private const int Rbp = 5;
    private const int Rsi = 6;
    private const int Rdi = 7;

    // What POPF may change harmlessly at CPL 3: not TF, NT, RF, VM or ID.
    private const ulong SafeFlags = 0x4_3ED7 & ~0x100UL;

    // Where the XSAVE header starts, and a state component that no processor has.
    private const int LegacyRegion = 512;
    private const ulong UnknownComponent = 1UL << 40;

    /// <summary>False: the case cannot be, take another.</summary>
    public bool Prepare()
    {
        FillMemoryOperand();
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc:
                return LimitBitOffset();
            case Mnemonic.Div or Mnemonic.Idiv:
                MakeQuotientsFit();
                break;
            case Mnemonic.Cmpxchg when random.Chance(50):
                MakeEqual(instruction.Op0Kind == OpKind.Memory ? MemoryWord() : slot->Input.Gpr[OperandKinds.GeneralNumber(instruction.Op0Register)]);
                break;
            case Mnemonic.Cmpxchg8b when random.Chance(50) && OperandInData(8):
                Set(Rax, MemoryWord() & uint.MaxValue | random.Next() << 32);
                Set(Rdx, MemoryWord() >> 32 | random.Next() << 32);
                break;
            case Mnemonic.Cmpxchg16b when random.Chance(50) && OperandInData(16):
                Set(Rax, MemoryWord());
                Set(Rdx, BinaryPrimitives.ReadUInt64LittleEndian(MemoryAt(Operand() + 8)));
                break;
            case Mnemonic.Pcmpestri or Mnemonic.Pcmpestrm or Mnemonic.Pcmpestri64 or Mnemonic.Pcmpestrm64
                or Mnemonic.Vpcmpestri or Mnemonic.Vpcmpestrm or Mnemonic.Vpcmpestri64 or Mnemonic.Vpcmpestrm64 when random.Chance(70):
                Set(Rax, (ulong)(long)(random.Below(40) - 20));
                Set(Rdx, (ulong)(long)(random.Below(40) - 20));
                break;
            case Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Popfq:
                WriteWord(StackTop, random.Next() & SafeFlags);
                return InData(StackTop, 8) || !Mapped(StackTop);
            case Mnemonic.Leave or Mnemonic.Enter:
                Set(Rbp, CaseLayout.Data - form.DataBase + 0x400 + ((ulong)random.Below(0x180) * 8));
                break;
            case Mnemonic.Ret:
                WriteWord(StackTop, Target());
                return InData(StackTop, 8);
            case Mnemonic.Jmp or Mnemonic.Call when instruction.Op0Kind is OpKind.Register or OpKind.Memory:
                return PrepareIndirectBranch();
            case Mnemonic.Loop or Mnemonic.Loope or Mnemonic.Loopne or Mnemonic.Jcxz or Mnemonic.Jecxz or Mnemonic.Jrcxz when random.Chance(50):
                Set(Rcx, (uint)random.Below(3) | (random.Chance(50) ? random.Next() << 32 : 0));
                break;
            case Mnemonic.Xsave or Mnemonic.Xsave64 or Mnemonic.Xrstor or Mnemonic.Xrstor64:
                // x87, SSE and AVX: other components are the host's own business.
                Set(Rax, (uint)random.Below(8) | random.Next() << 32);
                if (Addresses(instruction.MemoryBase, Rax) || Addresses(instruction.MemoryIndex, Rax))
                {
                    return false;
                }

                break;
            case Mnemonic.Xlatb:
                SetAddress(Rbx, MemoryOperandBuilder.ChooseAddress(1, form.Bitness == 64, random) - (byte)slot->Input.Gpr[Rax] - form.DataBase, instruction.MemoryBase.GetSize());
                break;
        }

        PrepareStrings();
        return true;
    }

    private static ulong Mask(int size) => size == 8 ? ulong.MaxValue : (1UL << (size * 8)) - 1;

    private static bool InData(ulong address, int size) =>
        address - CaseLayout.Data <= (ulong)(CaseLayout.DataSize - size);

    private static bool Mapped(ulong address) => address - (CaseLayout.Data - 16) < CaseLayout.DataEnd + 16 - CaseLayout.Data;

    private void FillMemoryOperand()
    {
        int size = form.MemorySize;
        if (!form.Memory || instruction.MemoryIndex.IsVectorRegister() || !OperandInData(size))
        {
            return;
        }

        Span<byte> operand = new(slot->Memory + (Operand() - CaseLayout.Data), size);
        if (form.Info.MemorySize == MemorySize.Bcd && random.Chance(80))
        {
            foreach (ref byte digits in operand)
            {
                digits = (byte)(random.Below(10) << 4 | random.Below(10));
            }

            operand[9] = random.Chance(50) ? (byte)0x80 : (byte)0;
            return;
        }

        LaneKinds.Fill(operand, LaneKinds.OfElement(form.Info.MemorySize.GetElementType()), random);
        if (form.Info.Mnemonic is Mnemonic.Ldmxcsr or Mnemonic.Vldmxcsr)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(operand, (uint)random.Next() & (random.Chance(90) ? 0xFFFFu : 0x1_FFFFu & ~0x2_0000u));
        }
        else if (form.Info.Mnemonic is Mnemonic.Fxrstor or Mnemonic.Fxrstor64 or Mnemonic.Xrstor or Mnemonic.Xrstor64)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(operand[24..], (uint)random.Next() & (random.Chance(95) ? 0xFFFFu : 0x1_FFFF));
        }

        if (form.Info.Mnemonic is Mnemonic.Xrstor or Mnemonic.Xrstor64)
        {
            operand[LegacyRegion..].Clear();
            ulong present = (uint)random.Below(8) | (random.Chance(5) ? UnknownComponent : 0);
            BinaryPrimitives.WriteUInt64LittleEndian(operand[LegacyRegion..], present);
        }
    }

    private ulong Operand() => OperandLocation.Of(instruction, &slot->Input);

    private bool OperandInData(int size) => size > 0 && InData(Operand(), size);

    private Span<byte> MemoryAt(ulong address) => new(slot->Memory + (address - CaseLayout.Data), (int)(CaseLayout.Data + CaseLayout.DataSize - address));

    private ulong MemoryWord() => OperandInData(8) ? BinaryPrimitives.ReadUInt64LittleEndian(MemoryAt(Operand())) : 0;

    private void WriteWord(ulong address, ulong value)
    {
        if (InData(address, 8))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(MemoryAt(address), value);
        }
    }

    // Registers that address the memory operand stay as they are.
    private void Set(int register, ulong value)
    {
        if (!Addresses(instruction.MemoryBase, register) && !Addresses(instruction.MemoryIndex, register))
        {
            slot->Input.Gpr[register] = form.Bitness == 64 ? value : (uint)value;
        }
    }

    private static bool Addresses(Register register, int number) => register.IsGPR() && OperandKinds.GeneralNumber(register) == number;

    // Above an address of a size, whatever there is room for.
    private void SetAddress(int register, ulong address, int size) =>
        slot->Input.Gpr[register] = (address & Mask(size)) | (random.Next() & ~Mask(size) & RegisterMask);

    private ulong RegisterMask => form.Bitness == 64 ? ulong.MaxValue : uint.MaxValue;

    private ulong StackTop => form.Bitness == 16 ? form.DataBase + (ushort)slot->Input.Gpr[Rsp] : slot->Input.Gpr[Rsp];

    private bool LimitBitOffset()
    {
        if (instruction.Op0Kind == OpKind.Memory && instruction.Op1Kind == OpKind.Register)
        {
            int size = instruction.Op1Register.GetSize();
            if (form.Bitness == 16 && OperandKinds.GeneralNumber(instruction.Op1Register) == Rsp)
            {
                return false;
            }

            ulong offset = (ulong)(long)(random.Chance(80) ? random.Below(512) - 256 : random.Below(40000) - 20000);
            slot->Input.Gpr[OperandKinds.GeneralNumber(instruction.Op1Register)] = (offset & Mask(size)) | (random.Next() & ~Mask(size) & RegisterMask);
        }

        return true;
    }

    private void MakeQuotientsFit()
    {
        if (random.Chance(70))
        {
            bool negative = instruction.Mnemonic == Mnemonic.Idiv && random.Chance(50);
            Set(Rdx, negative ? ulong.MaxValue - (ulong)random.Below(3) : (ulong)random.Below(3));
            Set(Rax, slot->Input.Gpr[Rax] & (negative ? ulong.MaxValue : 0x7FFF_FFFF_7FFF_0F7F));
        }
    }

    private void MakeEqual(ulong value) => Set(Rax, random.Chance(80) ? value : value ^ 1UL << random.Below(64));

    private ulong Target() => BranchTargets.Anywhere(slot->Input.CodeAddress, random) - form.CodeBase;

    private bool PrepareIndirectBranch()
    {
        if (instruction.Op0Kind == OpKind.Register)
        {
            int register = OperandKinds.GeneralNumber(instruction.Op0Register);
            slot->Input.Gpr[register] = Target();
            return register != Rsp;
        }

        // A target out of the code page, an INT3 for an address, may lie beyond the limit, like the stack at the same time.
        if (form.Bitness == 16 && instruction.MemorySegment == Register.CS)
        {
            return false;
        }

        if (Mapped(Operand()))
        {
            if (!OperandInData(8))
            {
                return false;
            }

            WriteWord(Operand(), Target());
        }

        return true;
    }

    private void PrepareStrings()
    {
        for (int n = 0; n < instruction.OpCount; n++)
        {
            OpKind kind = instruction.GetOpKind(n);
            int register = kind switch
            {
                OpKind.MemorySegRSI or OpKind.MemorySegESI or OpKind.MemorySegSI => Rsi,
                OpKind.MemorySegRDI or OpKind.MemorySegEDI or OpKind.MemorySegDI or OpKind.MemoryESRDI or OpKind.MemoryESEDI or OpKind.MemoryESDI => Rdi,
                _ => -1,
            };
            if (register < 0)
            {
                continue;
            }

            int size = kind switch
            {
                OpKind.MemorySegRSI or OpKind.MemorySegRDI or OpKind.MemoryESRDI => 8,
                OpKind.MemorySegSI or OpKind.MemorySegDI or OpKind.MemoryESDI => 2,
                _ => 4,
            };
            ulong address = MemoryOperandBuilder.ChooseAddress(Math.Max(1, form.MemorySize), size == 8, random) - form.DataBase;
            bool overridden = form.Bitness == 64 && kind is not (OpKind.MemoryESRDI or OpKind.MemoryESEDI) && instruction.SegmentPrefix == Register.FS;
            SetAddress(register, overridden ? address - slot->Input.FsBase : address, size);
            SetCount(size);
        }
    }

    private void SetCount(int size)
    {
        if (form.Info.IsString())
        {
            ulong count = random.Chance(95) ? (ulong)random.Below(20) : (ulong)random.Below(6000);
            SetAddress(Rcx, count, size);
        }
    }
}
