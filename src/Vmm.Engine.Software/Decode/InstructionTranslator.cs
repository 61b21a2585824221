using Iced.Intel;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Decode;

/// <summary>Turns Iced's instructions into the engine's, by the conventions of <see cref="Instruction"/>.</summary>
internal static unsafe class InstructionTranslator
{
    /// <summary>Fills in <paramref name="i"/>; RIP and block bookkeeping are the caller's.</summary>
    public static void Translate(in Iced.Intel.Instruction source, Instruction* i, uint mode, HandlerTable handlers)
    {
        *i = default;
        i->Code = (ushort)source.Code;
        i->Length = (byte)source.Length;
        i->Base = CpuState.ZeroOffset;
        i->Index = CpuState.ZeroOffset;
        i->OperandSize = InstructionForms.OperandSize(source.Code);
        i->Flags = PrefixFlags(source) | ((mode & BlockMode.SizeMask) switch
        {
            BlockMode.Code64 => InstructionFlags.Code64,
            BlockMode.Code32 => InstructionFlags.Code32,
            _ => InstructionFlags.None,
        });
        SetAddressSize(i, (mode & BlockMode.SizeMask) switch { BlockMode.Code64 => 8, BlockMode.Code32 => 4, _ => 2 });
        for (int n = 0; n < source.OpCount; n++)
        {
            Operand(source, i, n, mode);
        }

        delegate*<CpuState*, Instruction*, Outcome> substitute = ExtensionUse.Substitute(source.Code, mode);
        i->Execute = substitute != null ? substitute : handlers.Find(source.Code, (i->Flags & InstructionFlags.Memory) != 0);
    }

    private static InstructionFlags PrefixFlags(in Iced.Intel.Instruction source) =>
        (source.HasLockPrefix ? InstructionFlags.Lock : 0)
        | (source.HasRepPrefix ? InstructionFlags.Rep : 0)
        | (source.HasRepnePrefix ? InstructionFlags.Repne : 0);

    private static void Operand(in Iced.Intel.Instruction source, Instruction* i, int n, uint mode)
    {
        switch (source.GetOpKind(n))
        {
            case OpKind.Register:
                RegisterOperand(i, n, RegisterOffsets.Of(source.GetOpRegister(n)));
                break;
            case OpKind.Memory:
                MemoryOperand(source, i, mode);
                break;
            case OpKind.NearBranch16:
            case OpKind.NearBranch32:
            case OpKind.NearBranch64:
                i->Immediate = source.NearBranchTarget;
                break;
            case OpKind.FarBranch16:
                i->Immediate = source.FarBranch16 | (ulong)source.FarBranchSelector << 32;
                break;
            case OpKind.FarBranch32:
                i->Immediate = source.FarBranch32 | (ulong)source.FarBranchSelector << 32;
                break;
            case OpKind.Immediate8:
                i->Immediate = (ulong)(sbyte)source.Immediate8;
                break;
            case OpKind.Immediate8_2nd:
                SecondImmediate(source, i);
                break;
            case OpKind.Immediate16:
                i->Immediate = (ulong)(short)source.Immediate16;
                break;
            case OpKind.Immediate32:
                i->Immediate = (ulong)(int)source.Immediate32;
                break;
            case OpKind.Immediate8to16:
            case OpKind.Immediate8to32:
            case OpKind.Immediate8to64:
                i->Immediate = (ulong)(sbyte)(byte)source.GetImmediate(n);
                break;
            case OpKind.Immediate64:
            case OpKind.Immediate32to64:
                i->Immediate = source.GetImmediate(n);
                break;
            case OpKind.MemorySegSI:
                StringOperand(SegmentOf(source, mode), i, 2, mode);
                break;
            case OpKind.MemorySegESI:
                StringOperand(SegmentOf(source, mode), i, 4, mode);
                break;
            case OpKind.MemorySegRSI:
                StringOperand(SegmentOf(source, mode), i, 8, mode);
                break;
            case OpKind.MemorySegDI:
                MaskedStoreOperand(SegmentOf(source, mode), i, 2, mode);
                break;
            case OpKind.MemorySegEDI:
                MaskedStoreOperand(SegmentOf(source, mode), i, 4, mode);
                break;
            case OpKind.MemorySegRDI:
                MaskedStoreOperand(SegmentOf(source, mode), i, 8, mode);
                break;
            case OpKind.MemoryESDI:
                SetAddressSize(i, 2);
                break;
            case OpKind.MemoryESEDI:
                SetAddressSize(i, 4);
                break;
            case OpKind.MemoryESRDI:
                SetAddressSize(i, 8);
                break;
        }
    }

    private static void RegisterOperand(Instruction* i, int n, ushort offset)
    {
        switch (n)
        {
            case 0:
                i->Destination = offset;
                break;
            case 1:
                i->Source = offset;
                break;
            case 2:
                i->Source2 = offset;
                break;
            case 3:
                i->Immediate = offset;
                break;
        }
    }

    // ENTER: size in bits 15:0, nesting level above. EXTRQ and INSERTQ do not exist here.
    private static void SecondImmediate(in Iced.Intel.Instruction source, Instruction* i) =>
        i->Immediate = (ushort)i->Immediate | (ulong)source.Immediate8_2nd << 16;

    private static void MemoryOperand(in Iced.Intel.Instruction source, Instruction* i, uint mode)
    {
        i->Flags |= InstructionFlags.Memory;
        SetAddressSize(i, MemoryAddressSize(source, mode));
        i->Displacement = source.MemoryDisplacement64;
        if (source.MemoryBase != Register.None && !source.IsIPRelativeMemoryOperand)
        {
            i->Base = RegisterOffsets.Of(source.MemoryBase);
        }

        if (source.MemoryIndex is not (Register.None or Register.AL))
        {
            i->Index = RegisterOffsets.Of(source.MemoryIndex);
            i->Scale = (byte)int.Log2(source.MemoryIndexScale);
        }

        SetSegment(SegmentOf(source, mode), i, mode);
    }

    // Overrides by ES, CS, SS and DS do not exist in 64-bit mode (SDM Vol. 1 3.4.2.1): the base register decides.
    private static Register SegmentOf(in Iced.Intel.Instruction source, uint mode)
    {
        bool ignored = (mode & BlockMode.SizeMask) == BlockMode.Code64
            && source.SegmentPrefix is Register.ES or Register.CS or Register.SS or Register.DS;
        return !ignored ? source.MemorySegment
            : source.MemoryBase is Register.RSP or Register.RBP or Register.ESP or Register.EBP ? Register.SS
            : Register.DS;
    }

    private static int MemoryAddressSize(in Iced.Intel.Instruction source, uint mode)
    {
        // The index of a gather is a vector: it says nothing of addresses.
        Register index = source.MemoryIndex.IsVectorRegister() ? Register.None : source.MemoryIndex;
        Register register = source.MemoryBase != Register.None ? source.MemoryBase : index;
        if (register is Register.RIP or Register.EIP)
        {
            return register == Register.RIP ? 8 : 4;
        }

        return register != Register.None
            ? register.GetSize()
            : source.MemoryDisplSize is 2 or 4 or 8 ? source.MemoryDisplSize : (mode & BlockMode.SizeMask) == BlockMode.Code64 ? 8 : 4;
    }

    private static void StringOperand(Register segment, Instruction* i, int addressSize, uint mode)
    {
        SetAddressSize(i, addressSize);
        SetSegment(segment, i, mode);
    }

    // MASKMOVQ and MASKMOVDQU: an ordinary operand, based on rDI.
    private static void MaskedStoreOperand(Register segment, Instruction* i, int addressSize, uint mode)
    {
        i->Base = (ushort)CpuState.GprOffset(Register.RDI - Register.RAX);
        StringOperand(segment, i, addressSize, mode);
    }

    private static void SetAddressSize(Instruction* i, int size)
    {
        i->AddressSize = (byte)size;
        i->AddressMask = size switch { 8 => ulong.MaxValue, 4 => uint.MaxValue, _ => ushort.MaxValue };
    }

    private static void SetSegment(Register register, Instruction* i, uint mode)
    {
        int segment = register - Register.ES;
        i->Segment = (byte)segment;
        i->SegmentBaseIndex = (byte)segment;
        if (segment == (int)SegmentRegister.Ss)
        {
            i->Flags |= InstructionFlags.StackSegment;
        }

        if ((mode & BlockMode.SizeMask) == BlockMode.Code64)
        {
            // Only FS and GS have bases in 64-bit mode (SDM Vol. 1 3.4.2.1).
            if (segment < (int)SegmentRegister.Fs)
            {
                i->SegmentBaseIndex = CpuState.FlatSegment;
            }
        }
        else if ((mode >> (BlockMode.CheckedShift + segment) & 1) != 0)
        {
            i->Flags |= InstructionFlags.SegmentChecked;
        }
    }
}
