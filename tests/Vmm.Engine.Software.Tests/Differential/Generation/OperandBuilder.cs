using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Makes an instruction of a form: chooses registers, immediates and branch targets; memory is <see cref="MemoryOperandBuilder"/>'s.</summary>
internal sealed unsafe class OperandBuilder(InstructionForm form, CaseSlot* slot, CaseRandom random)
{
    // How much of an immediate the instruction defines.
    private static readonly Dictionary<Mnemonic, byte> ImmediateMasks = new()
    {
        [Mnemonic.Roundps] = 15,
        [Mnemonic.Roundpd] = 15,
        [Mnemonic.Roundss] = 15,
        [Mnemonic.Roundsd] = 15,
        [Mnemonic.Pcmpestri] = 0x7F,
        [Mnemonic.Pcmpestrm] = 0x7F,
        [Mnemonic.Pcmpistri] = 0x7F,
        [Mnemonic.Pcmpistrm] = 0x7F,
        [Mnemonic.Vroundps] = 15,
        [Mnemonic.Vroundpd] = 15,
        [Mnemonic.Vroundss] = 15,
        [Mnemonic.Vroundsd] = 15,
        [Mnemonic.Vcvtps2ph] = 7,
        [Mnemonic.Vpcmpestri] = 0x7F,
        [Mnemonic.Vpcmpestrm] = 0x7F,
        [Mnemonic.Vpcmpestri64] = 0x7F,
        [Mnemonic.Vpcmpestrm64] = 0x7F,
        [Mnemonic.Vpcmpistri] = 0x7F,
        [Mnemonic.Vpcmpistrm] = 0x7F,
    };

    private readonly OpCodeInfo _info = form.Info;
    private Instruction _instruction;

    // Address size of strings: the default, or what the prefix makes of it.
    private readonly int _addressSize = form.Bitness switch
    {
        64 => random.Chance(15) ? 4 : 8,
        32 => 4,
        _ => random.Chance(15) ? 4 : 2,
    };

    public Instruction Build()
    {
        _instruction.Code = form.Code;
        for (int n = 0; n < _info.OpCount; n++)
        {
            if (!IsMemory(n))
            {
                Operand(n, _info.GetOpKind(n));
            }
        }

        for (int n = 0; n < _info.OpCount; n++)
        {
            if (IsMemory(n))
            {
                _instruction.SetOpKind(n, OpKind.Memory);
                MemoryOperand(_info.GetOpKind(n));
            }
        }

        Prefixes();
        return _instruction;
    }

    private void MemoryOperand(OpCodeOperandKind kind)
    {
        if (OperandKinds.IsVectorIndexed(kind))
        {
            new GatherOperandBuilder(form, slot, random).Build(ref _instruction, kind);
        }
        else
        {
            new MemoryOperandBuilder(form, slot, random).Build(ref _instruction, kind == OpCodeOperandKind.mem_offs);
        }
    }

    private bool IsMemory(int n)
    {
        OpCodeOperandKind kind = _info.GetOpKind(n);
        return kind is OpCodeOperandKind.mem or OpCodeOperandKind.mem_offs || OperandKinds.IsVectorIndexed(kind) || (form.Memory && OperandKinds.IsRegisterOrMemory(kind));
    }

    private void Prefixes()
    {
        if (form.Memory && _info.CanUseLockPrefix && random.Chance(30))
        {
            _instruction.HasLockPrefix = true;
        }

        if (_info.IsString() && random.Chance(60))
        {
            _instruction.HasRepPrefix = _info.CanUseRepPrefix && (!_info.CanUseRepnePrefix || random.Chance(50));
            _instruction.HasRepnePrefix = _info.CanUseRepnePrefix && !_instruction.HasRepPrefix;
        }
    }

    private void Operand(int n, OpCodeOperandKind kind)
    {
        (Register first, int count) = OperandKinds.Registers(kind, form.Bitness);
        if (count > 0)
        {
            _instruction.SetOpKind(n, OpKind.Register);
            _instruction.SetOpRegister(n, first + random.Below(count));
            return;
        }

        switch (kind)
        {
            case OpCodeOperandKind.imm8 when n > 0 && _info.GetOpKind(n - 1) == OpCodeOperandKind.imm16:
                _instruction.SetOpKind(n, OpKind.Immediate8_2nd);
                _instruction.Immediate8_2nd = (byte)(random.Chance(90) ? random.Below(4) : random.Below(256));
                break;
            case OpCodeOperandKind.imm8:
                _instruction.SetOpKind(n, OpKind.Immediate8);
                _instruction.Immediate8 = (byte)(random.Integer() & ImmediateMasks.GetValueOrDefault(_info.Mnemonic, (byte)0xFF));
                break;
            case OpCodeOperandKind.imm8_const_1:
                _instruction.SetOpKind(n, OpKind.Immediate8);
                _instruction.Immediate8 = 1;
                break;
            case OpCodeOperandKind.imm8sex16:
                _instruction.SetOpKind(n, OpKind.Immediate8to16);
                _instruction.Immediate8to16 = (sbyte)random.Integer();
                break;
            case OpCodeOperandKind.imm8sex32:
                _instruction.SetOpKind(n, OpKind.Immediate8to32);
                _instruction.Immediate8to32 = (sbyte)random.Integer();
                break;
            case OpCodeOperandKind.imm8sex64:
                _instruction.SetOpKind(n, OpKind.Immediate8to64);
                _instruction.Immediate8to64 = (sbyte)random.Integer();
                break;
            case OpCodeOperandKind.imm16:
                _instruction.SetOpKind(n, OpKind.Immediate16);
                _instruction.Immediate16 = (ushort)random.Integer();
                break;
            case OpCodeOperandKind.imm32:
                _instruction.SetOpKind(n, OpKind.Immediate32);
                _instruction.Immediate32 = (uint)random.Integer();
                break;
            case OpCodeOperandKind.imm32sex64:
                _instruction.SetOpKind(n, OpKind.Immediate32to64);
                _instruction.Immediate32to64 = (int)random.Integer();
                break;
            case OpCodeOperandKind.imm64:
                _instruction.SetOpKind(n, OpKind.Immediate64);
                _instruction.Immediate64 = random.Integer();
                break;
            case OpCodeOperandKind.br16_1 or OpCodeOperandKind.br16_2:
                _instruction.SetOpKind(n, OpKind.NearBranch16);
                _instruction.NearBranch16 = (ushort)BranchTarget(kind == OpCodeOperandKind.br16_1);
                break;
            case OpCodeOperandKind.br32_1 or OpCodeOperandKind.br32_4:
                _instruction.SetOpKind(n, OpKind.NearBranch32);
                _instruction.NearBranch32 = (uint)BranchTarget(kind == OpCodeOperandKind.br32_1);
                break;
            case OpCodeOperandKind.br64_1 or OpCodeOperandKind.br64_4:
                _instruction.SetOpKind(n, OpKind.NearBranch64);
                _instruction.NearBranch64 = BranchTarget(kind == OpCodeOperandKind.br64_1);
                break;
            case OpCodeOperandKind.seg_rSI:
                _instruction.SetOpKind(n, _addressSize switch { 8 => OpKind.MemorySegRSI, 4 => OpKind.MemorySegESI, _ => OpKind.MemorySegSI });
                SourceSegment();
                break;
            case OpCodeOperandKind.seg_rDI:
                _instruction.SetOpKind(n, _addressSize switch { 8 => OpKind.MemorySegRDI, 4 => OpKind.MemorySegEDI, _ => OpKind.MemorySegDI });
                SourceSegment();
                break;
            case OpCodeOperandKind.es_rDI:
                _instruction.SetOpKind(n, _addressSize switch { 8 => OpKind.MemoryESRDI, 4 => OpKind.MemoryESEDI, _ => OpKind.MemoryESDI });
                break;
            case OpCodeOperandKind.seg_rBX_al:
                _instruction.SetOpKind(n, OpKind.Memory);
                _instruction.MemoryBase = _addressSize switch { 8 => Register.RBX, 4 => Register.EBX, _ => Register.BX };
                _instruction.MemoryIndex = Register.AL;
                SourceSegment();
                break;
            default:
                throw new NotSupportedException($"{form}: operands of kind {kind} are not generated");
        }
    }

    // Only bases below 4 GiB - and so reachable with any address size - are worth an override.
    private void SourceSegment()
    {
        if (form.Bitness == 16 && random.Chance(15))
        {
            _instruction.SegmentPrefix = random.Pick<Register>([Register.ES, Register.SS, Register.FS]);
        }
        else if (form.Bitness == 64 && random.Chance(15) && slot->Input.FsBase < CaseLayout.Data)
        {
            _instruction.SegmentPrefix = Register.FS;
        }
    }

    private ulong BranchTarget(bool near) =>
        (near ? BranchTargets.Near(slot->Input.CodeAddress, random) : BranchTargets.Anywhere(slot->Input.CodeAddress, random)) - form.CodeBase;
}
