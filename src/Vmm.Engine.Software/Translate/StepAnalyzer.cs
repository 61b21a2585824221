using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Instruction = Iced.Intel.Instruction;

namespace Vmm.Engine.Software.Translate;

/// <summary>Finds out what the translator must know of an instruction before it emits anything.</summary>
internal sealed unsafe class StepAnalyzer(HandlerTable handlers)
{
    private readonly InstructionInfoFactory _information = new();

    /// <summary>Fills in <paramref name="step"/>; its source and slot are there.</summary>
    public void Analyze(ref Step step, uint mode, bool isFused)
    {
        step.Flags = FlagUse.Of(step.Source);
        step.Kind = Classify(ref step, mode, isFused);
        if (step.IsInterpreted)
        {
            step.HasAccess = false;
            step.UsesX87 = false;
        }
    }

    private StepKind Classify(ref Step step, uint mode, bool isFused)
    {
        ref readonly Instruction source = ref step.Source;
        bool ends = InstructionForms.Ending(source) != BlockEnding.None;
        StepKind interpreted = ends ? StepKind.InterpretedEnd : StepKind.Interpret;
        if (!isFused && !IsImplemented(step.Slot, source.Code, mode))
        {
            return interpreted;
        }

        if (ends)
        {
            return Branch(ref step, mode, isFused, interpreted);
        }

        if ((step.Slot->Flags & InstructionFlags.SegmentChecked) != 0 && !isFused)
        {
            return interpreted;
        }

        return source.Mnemonic switch
        {
            Mnemonic.Nop when isFused => StepKind.EnableInterrupts,
            Mnemonic.Nop or Mnemonic.Endbr64 or Mnemonic.Prefetchnta or Mnemonic.Prefetcht0 or Mnemonic.Prefetcht1
                or Mnemonic.Prefetcht2 or Mnemonic.Prefetchw => StepKind.Nothing,
            Mnemonic.Lea when source.Code == Code.Lea_r16_m => StepKind.Interpret,
            Mnemonic.Push => Push(ref step),
            Mnemonic.Pop => Pop(ref step),
            Mnemonic.Pushfq when source.Code == Code.Pushfq => Scratching(ref step, StepKind.PushFlags),
            Mnemonic.Swapgs when (mode & BlockMode.User) == 0 => Scratching(ref step, StepKind.SwapGs),
            Mnemonic.Stac when (mode & BlockMode.User) == 0 => Scratching(ref step, StepKind.AllowAccess),
            Mnemonic.Clac when (mode & BlockMode.User) == 0 => Scratching(ref step, StepKind.PreventAccess),
            Mnemonic.Leave => source.Code == Code.Leaveq ? Leave(ref step) : StepKind.Interpret,
            Mnemonic.Cwde or Mnemonic.Cdqe => Writing(ref step, RegisterMap.Rax, StepKind.SignExtend),
            Mnemonic.Cdq or Mnemonic.Cqo => Writing(ref step, RegisterMap.Rdx, StepKind.SignExtend),
            Mnemonic.Mul or Mnemonic.Div or Mnemonic.Idiv => OneOperand(ref step),
            Mnemonic.Imul when source.OpCount == 1 => OneOperand(ref step),
            Mnemonic.Cmpxchg => CompareExchange(ref step),
            Mnemonic.Fldcw => LoadX87Control(ref step),
            Mnemonic.Fnstsw when source.Code == Code.Fnstsw_AX => Writing(ref step, RegisterMap.Rax, UsingX87(ref step, StepKind.StoreX87StatusInAx)),
            Mnemonic.Wait => UsingX87(ref step, StepKind.WaitForX87),
            Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Movsd or Mnemonic.Movsq or Mnemonic.Stosb or Mnemonic.Stosw or Mnemonic.Stosd
                or Mnemonic.Stosq when source.IsStringInstruction => String(ref step),
            _ => PassThrough.Allows(source) && Operands(ref step) ? StepKind.PassThrough : StepKind.Interpret,
        };
    }

    private bool IsImplemented(Decode.Instruction* slot, Code code, uint mode)
    {
        delegate*<CpuState*, Decode.Instruction*, Outcome> substitute = ExtensionUse.Substitute(code, mode);
        return handlers.IsDefined(code) && ExtensionUse.IsAvailable(substitute)
            && (nint)slot->Execute == (nint)(substitute != null ? substitute : handlers.Find(code, (slot->Flags & InstructionFlags.Memory) != 0));
    }

    private static StepKind Branch(ref Step step, uint mode, bool isFused, StepKind interpreted)
    {
        ref readonly Instruction source = ref step.Source;
        if (source.IsJccShortOrNear)
        {
            return StepKind.ConditionalJump;
        }

        switch (source.Code)
        {
            case Code.Jmp_rel8_64 or Code.Jmp_rel32_64:
                return StepKind.Jump;
            case Code.Call_rel32_64:
                step.AccessStack(writes: true, -8);
                return StepKind.Call;
            case Code.Retnq or Code.Retnq_imm16:
                step.AccessStack(writes: false, 0);
                return StepKind.Return;
            case Code.Jmp_rm64:
                if (source.Op0Kind == OpKind.Memory)
                {
                    step.AccessOperand(8, writes: false);
                }

                return StepKind.IndirectJump;
            case Code.Call_rm64 when source.Op0Kind == OpKind.Register:
                step.AccessStack(writes: true, -8);
                return StepKind.IndirectCall;
            case Code.Call_rm64:
                return StepKind.IndirectCallByMemory;
            case Code.Cli when (mode & BlockMode.User) == 0:
                return StepKind.DisableInterrupts;
            case Code.Sti when isFused && (mode & BlockMode.User) == 0:
                return StepKind.Nothing;
            case Code.Syscall:
                return StepKind.SystemCall;
            case Code.Sysretq when (mode & BlockMode.User) == 0:
                return StepKind.SystemReturn;
            default:
                return interpreted;
        }
    }

    private static StepKind Push(ref Step step)
    {
        switch (step.Source.Code)
        {
            case Code.Push_r64 or Code.Pushq_imm8 or Code.Pushq_imm32:
            case Code.Push_rm64 when step.Source.Op0Kind == OpKind.Register:
                step.AccessStack(writes: true, -8);
                return StepKind.Push;
            case Code.Push_rm64:
                return Scratching(ref step, StepKind.PushMemory);
            default:
                return StepKind.Interpret;
        }
    }

    private static StepKind Pop(ref Step step)
    {
        if (step.Source.Code is not (Code.Pop_r64 or Code.Pop_rm64) || step.Source.Op0Kind != OpKind.Register)
        {
            return StepKind.Interpret;
        }

        step.AccessStack(writes: false, 0);
        if (step.Source.Op0Register == Register.RSP)
        {
            return Writing(ref step, RegisterMap.Rsp, StepKind.PopStackPointer);
        }

        step.Writes = (ushort)(1 << RegisterMap.Number(step.Source.Op0Register));
        return StepKind.Pop;
    }

    private static StepKind Scratching(ref Step step, StepKind kind)
    {
        step.ClobbersAddress = true;
        return kind;
    }

    private static StepKind UsingX87(ref Step step, StepKind kind)
    {
        step.UsesX87 = true;
        return kind;
    }

    private static StepKind LoadX87Control(ref Step step)
    {
        step.AccessOperand(sizeof(ushort), writes: false);
        return UsingX87(ref step, StepKind.LoadX87Control);
    }

    private static StepKind Leave(ref Step step)
    {
        step.AccessFrame();
        step.Writes = 1 << RegisterMap.Rsp | 1 << RegisterMap.Rbp;
        return StepKind.Leave;
    }

    private static StepKind Writing(ref Step step, int guest, StepKind kind)
    {
        step.Writes = (ushort)(1 << guest);
        return kind;
    }

    // The operand stays where it is: in a host register, in the state, or in memory.
    private static StepKind OneOperand(ref Step step)
    {
        ref readonly Instruction source = ref step.Source;
        int size = source.Op0Kind == OpKind.Register ? source.Op0Register.GetSize() : source.MemorySize.GetSize();
        if (size < 4)
        {
            return StepKind.Interpret;
        }

        if (source.Op0Kind == OpKind.Memory)
        {
            step.AccessOperand(size, writes: false);
        }

        step.Writes = 1 << RegisterMap.Rax | 1 << RegisterMap.Rdx;
        return source.Mnemonic is Mnemonic.Div or Mnemonic.Idiv ? StepKind.Divide : StepKind.Multiply;
    }

    private static StepKind String(ref Step step)
    {
        if (step.Slot->AddressSize != 8)
        {
            return StepKind.Interpret;
        }

        bool moves = step.Source.Mnemonic is Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Movsd or Mnemonic.Movsq;
        step.AccessSize = step.Source.MemorySize.GetSize();
        step.ClobbersAddress = true;
        return moves ? StepKind.MoveString : StepKind.StoreString;
    }

    private static StepKind CompareExchange(ref Step step)
    {
        ref readonly Instruction source = ref step.Source;
        if (source.Op0Kind != OpKind.Memory || RegisterMap.Number(source.Op1Register) is not (> RegisterMap.Rax and var register)
            || RegisterMap.Of(register) == HostRegister.None)
        {
            return StepKind.Interpret;
        }

        step.AccessOperand(source.MemorySize.GetSize(), writes: true);
        step.Writes = 1 << RegisterMap.Rax;
        return StepKind.CompareExchange;
    }

    // False: an operand is of a kind that only the interpreter knows.
    private bool Operands(ref Step step)
    {
        ref readonly Instruction source = ref step.Source;
        InstructionInfo information = _information.GetInfo(source);
        int unmapped = 0;
        int hasHighByte = 0;
        bool hasMemory = false;
        for (int n = 0; n < source.OpCount; n++)
        {
            if (IsWritten(information.GetOpAccess(n)))
            {
                step.WrittenOperands |= (byte)(1 << n);
            }

            switch (source.GetOpKind(n))
            {
                case OpKind.Register:
                    Register register = source.GetOpRegister(n);
                    int number = RegisterMap.Number(register);
                    if (RegisterMap.IsHighByte(register) && Bmi2.IsSupported)
                    {
                        // Goes through RAX, as a register in the state does.
                        unmapped++;
                        if (step.WritesOperand(n))
                        {
                            step.Writes |= (ushort)(1 << RegisterMap.NumberOfHighByte(register));
                        }

                        hasHighByte++;
                        break;
                    }

                    if (number < 0)
                    {
                        if (!register.IsXMM() && !register.IsYMM() && !register.IsMM() && !register.IsST())
                        {
                            return false;
                        }

                        break;
                    }

                    if (RegisterMap.Of(number) == HostRegister.None && !IsRepeated(source, n))
                    {
                        unmapped++;
                    }

                    if (step.WritesOperand(n))
                    {
                        step.Writes |= (ushort)(1 << number);
                    }

                    break;
                case OpKind.Memory:
                    hasMemory = source.Mnemonic != Mnemonic.Lea;
                    if (hasMemory && !MemoryOperand(ref step, information.GetOpAccess(n)))
                    {
                        return false;
                    }

                    break;
                case OpKind.Immediate8 or OpKind.Immediate16 or OpKind.Immediate32 or OpKind.Immediate64
                    or OpKind.Immediate8to16 or OpKind.Immediate8to32 or OpKind.Immediate8to64 or OpKind.Immediate32to64:
                    break;
                default:
                    return false;
            }
        }

        if (source.Mnemonic == Mnemonic.Lea)
        {
            step.ClobbersAddress = step.Slot->AddressSize != 8 || AddressIsUnmapped(step.Slot);
        }

        step.UsesVectors = PassThrough.UsesVectors(source);
        step.UsesX87 = PassThrough.UsesX87(source);
        step.ClobbersAddress |= unmapped > 1;
        return unmapped <= (hasMemory || hasHighByte != 0 ? 1 : 2);
    }

    private static bool IsWritten(OpAccess access) => access is not (OpAccess.Read or OpAccess.CondRead or OpAccess.None);

    private static bool IsRepeated(in Instruction source, int operand)
    {
        for (int n = 0; n < operand; n++)
        {
            if (source.GetOpKind(n) == OpKind.Register
                && RegisterMap.Number(source.GetOpRegister(n)) == RegisterMap.Number(source.GetOpRegister(operand)))
            {
                return true;
            }
        }

        return false;
    }

    private static bool AddressIsUnmapped(Decode.Instruction* slot) => IsUnmapped(slot->Base) || IsUnmapped(slot->Index);

    private static bool IsUnmapped(ushort offset) => offset != CpuState.ZeroOffset && RegisterMap.Of(offset / 8) == HostRegister.None;

    private static bool MemoryOperand(ref Step step, OpAccess access)
    {
        ref readonly Instruction source = ref step.Source;
        int size = source.MemorySize.GetSize();
        bool isBitString = source.Mnemonic is Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc && source.Op1Kind == OpKind.Register;
        if (size is 0 or > 64 || isBitString || source.Code is Code.Mov_AL_moffs8 or Code.Mov_AX_moffs16 or Code.Mov_EAX_moffs32 or Code.Mov_RAX_moffs64
            or Code.Mov_moffs8_AL or Code.Mov_moffs16_AX or Code.Mov_moffs32_EAX or Code.Mov_moffs64_RAX)
        {
            return false;
        }

        step.AccessOperand(size, access is OpAccess.Write or OpAccess.CondWrite or OpAccess.ReadWrite or OpAccess.ReadCondWrite);
        step.AccessIsAligned = PassThrough.NeedsAlignment(source, size);
        return true;
    }
}
