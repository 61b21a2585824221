using Iced.Intel;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Translate;

/// <summary>Instructions that are neither memory accesses alone nor branches.</summary>
internal sealed unsafe partial class BlockTranslator
{
    // The guest's instruction with host registers in place of its own and R11 for its address.
    private void EmitPassThrough(ref Step step)
    {
        Instruction host = step.Source;
        if (host.Mnemonic == Mnemonic.Lea)
        {
            EmitLoadAddress(ref step);
            return;
        }

        FixedRegisterForms.Replace(ref host);
        HostRegister spare = step.HasAccess ? HostRegister.None : RegisterMap.Address;
        int first = -1;
        int second = -1;
        int highByte = -1;
        bool writesHighByte = false;
        for (int n = 0; n < host.OpCount; n++)
        {
            OpKind kind = host.GetOpKind(n);
            if (kind == OpKind.Memory)
            {
                SetHostAddress(ref host, OperandDisplacement(ref step));
            }
            else if (kind == OpKind.Register && RegisterMap.IsHighByte(host.GetOpRegister(n)))
            {
                highByte = RegisterMap.NumberOfHighByte(host.GetOpRegister(n));
                writesHighByte = step.WritesOperand(n);
                _emitter.RotateRight(RegisterMap.Scratch, RegisterMap.Of(highByte), 8);
                host.SetOpRegister(n, Register.AL);
            }
            else if (kind == OpKind.Register && RegisterMap.Number(host.GetOpRegister(n)) is >= 0 and var guest)
            {
                HostRegister register = RegisterMap.Of(guest);
                if (register == HostRegister.None)
                {
                    register = guest == first || first < 0 ? RegisterMap.Scratch : spare;
                    if (first < 0)
                    {
                        first = guest;
                        _emitter.LoadState(register, CpuState.GprOffset(guest));
                    }
                    else if (guest != first && second < 0)
                    {
                        second = guest;
                        _emitter.LoadState(register, CpuState.GprOffset(guest));
                    }
                }

                host.SetOpRegister(n, RegisterMap.Name(register, host.GetOpRegister(n)));
            }
        }

        _encoder.Encode(host, 0);
        if (writesHighByte)
        {
            HostRegister whole = RegisterMap.Of(highByte);
            _emitter.RotateRight(whole, whole, 8);
            _emitter.MovLow(whole, RegisterMap.Scratch);
            _emitter.RotateRight(whole, whole, 56);
        }

        StoreIfWritten(ref step, first, RegisterMap.Scratch);
        StoreIfWritten(ref step, second, spare);
    }

    private void StoreIfWritten(ref Step step, int guest, HostRegister from)
    {
        if (guest >= 0 && (step.Writes >> guest & 1) != 0)
        {
            _emitter.StoreState(CpuState.GprOffset(guest), from);
        }
    }

    private static void SetHostAddress(ref Instruction host, int displacement)
    {
        host.MemoryBase = Register.R11;
        host.MemoryIndex = Register.None;
        host.MemoryIndexScale = 1;
        host.MemoryDisplacement64 = (ulong)(long)displacement;
        host.MemoryDisplSize = displacement == 0 ? 0 : (sbyte)displacement == displacement ? 1 : 8;
        host.SegmentPrefix = Register.None;
    }

    private void EmitLoadAddress(ref Step step)
    {
        Decode.Instruction* slot = step.Slot;
        int guest = RegisterMap.Number(step.Source.Op0Register);
        HostRegister to = RegisterMap.Of(guest);
        HostRegister register = to == HostRegister.None ? RegisterMap.Scratch : to;
        bool wide = slot->AddressSize == 8;
        HostRegister @base = AddressRegister(slot->Base, RegisterMap.Address);
        HostRegister index = AddressRegister(slot->Index, RegisterMap.Scratch);
        if (@base == HostRegister.None && index == HostRegister.None)
        {
            ulong address = wide ? slot->Displacement : (uint)slot->Displacement;
            _emitter.MovImmediate(register, slot->OperandSize == 8 ? address : (uint)address);
        }
        else
        {
            _emitter.Lea(register, @base, index, slot->Scale, (int)slot->Displacement, wide && slot->OperandSize == 8);
        }

        if (to == HostRegister.None)
        {
            _emitter.StoreState(CpuState.GprOffset(guest), register);
        }
    }

    private void EmitPush(ref Step step)
    {
        int displacement = OperandDisplacement(ref step);
        if (step.Source.Op0Kind == OpKind.Register)
        {
            int guest = RegisterMap.Number(step.Source.Op0Register);
            HostRegister from = RegisterMap.Of(guest);
            if (from == HostRegister.None)
            {
                _emitter.LoadState(RegisterMap.Scratch, CpuState.GprOffset(guest));
                from = RegisterMap.Scratch;
            }

            _emitter.Store(RegisterMap.Address, displacement, from);
        }
        else
        {
            _emitter.MemoryForm(0xC7, true, 0, RegisterMap.Address, displacement);
            _emitter.Int32((int)step.Source.GetImmediate(0));
        }

        MoveStack(-8);
    }

    private void EmitPop(ref Step step)
    {
        int guest = RegisterMap.Number(step.Source.Op0Register);
        HostRegister to = RegisterMap.Of(guest);
        _emitter.Load(to == HostRegister.None ? RegisterMap.Scratch : to, RegisterMap.Address, OperandDisplacement(ref step));
        if (to == HostRegister.None)
        {
            _emitter.StoreState(CpuState.GprOffset(guest), RegisterMap.Scratch);
        }

        MoveStack(8);
    }

    private void EmitLeave(ref Step step)
    {
        HostRegister frame = RegisterMap.Of(RegisterMap.Rbp);
        _emitter.Load(RegisterMap.Scratch, RegisterMap.Address, OperandDisplacement(ref step));
        _emitter.Lea(RegisterMap.Of(RegisterMap.Rsp), frame, HostRegister.None, 0, 8);
        _emitter.Mov(frame, RegisterMap.Scratch);
    }

    private static bool IsWide(ref Step step) => (step.Source.Op0Kind == OpKind.Register
        ? step.Source.Op0Register.GetSize()
        : step.Source.MemorySize.GetSize()) == 8;

    // An instruction of group F7h with RAX and RDX for implicit operands.
    private void EmitUnary(ref Step step, int extension) => EmitOnOperand(ref step, 0xF7, extension);

    private void EmitOnOperand(ref Step step, int opcode, int extension)
    {
        bool wide = IsWide(ref step);
        if (step.Source.Op0Kind == OpKind.Memory)
        {
            _emitter.MemoryForm(opcode, wide, (HostRegister)extension, RegisterMap.Address, OperandDisplacement(ref step));
            return;
        }

        int guest = RegisterMap.Number(step.Source.Op0Register);
        HostRegister host = RegisterMap.Of(guest);
        if (host == HostRegister.None)
        {
            _emitter.MemoryForm(opcode, wide, (HostRegister)extension, HostRegister.Rbp, CpuState.GprOffset(guest) - Emitter.StateBias);
        }
        else
        {
            _emitter.RegisterForm(opcode, wide, (HostRegister)extension, host);
        }
    }

    private void EmitMultiply(ref Step step)
    {
        HostRegister accumulator = RegisterMap.Of(RegisterMap.Rax);
        _emitter.Mov(HostRegister.Rax, accumulator);
        EmitUnary(ref step, step.Source.Mnemonic == Mnemonic.Mul ? 4 : 5);
        _emitter.Mov(accumulator, HostRegister.Rax);
    }

    // Only what cannot be #DE: an unsigned dividend whose upper half is below the divisor, a signed one that fits one
    // register, by anything but 0 and -1.
    private void EmitDivide(int n)
    {
        ref Step step = ref _steps[n];
        bool wide = IsWide(ref step);
        HostRegister accumulator = RegisterMap.Of(RegisterMap.Rax);
        if (step.Source.Mnemonic == Mnemonic.Div)
        {
            EmitOnOperand(ref step, 0x3B, (int)HostRegister.Rdx); // CMP RDX, divisor
            Divisor(n, HostCondition.AboveOrEqual);
            _emitter.Mov(HostRegister.Rax, accumulator);
            EmitUnary(ref step, 6);
        }
        else
        {
            _emitter.Mov(HostRegister.Rax, accumulator);
            _emitter.ShiftRightSigned(HostRegister.Rax, wide ? 63 : 31, wide);
            _emitter.RegisterForm(0x3B, wide, HostRegister.Rax, HostRegister.Rdx);
            Divisor(n, HostCondition.NotEqual);
            EmitOnOperand(ref step, 0x83, 7); // CMP divisor, imm8
            _emitter.Byte(0);
            Divisor(n, HostCondition.Equal);
            EmitOnOperand(ref step, 0x83, 7);
            _emitter.Byte(-1);
            Divisor(n, HostCondition.Equal);
            _emitter.Mov(HostRegister.Rax, accumulator);
            EmitUnary(ref step, 7);
        }

        _emitter.Mov(accumulator, HostRegister.Rax);
        foreach (int exit in _divisorExits.AsSpan(0, _divisorExitCount))
        {
            Resume(exit, n);
        }

        _divisorExitCount = 0;
    }

    private readonly int[] _divisorExits = new int[3];
    private int _divisorExitCount;

    private void Divisor(int n, HostCondition refused) => _divisorExits[_divisorExitCount++] = AddInterpretExit(_emitter.Jcc(refused), n, n);

    private void EmitSignExtend(ref Step step)
    {
        HostRegister accumulator = RegisterMap.Of(RegisterMap.Rax);
        switch (step.Source.Mnemonic)
        {
            case Mnemonic.Cdqe:
                _emitter.RegisterForm(0x63, true, accumulator, accumulator); // MOVSXD
                break;
            case Mnemonic.Cwde:
                _emitter.Mov(HostRegister.Rax, accumulator);
                _emitter.Byte(0x98);
                _emitter.Mov(accumulator, HostRegister.Rax);
                break;
            case Mnemonic.Cdq:
                _emitter.Mov(HostRegister.Rax, accumulator);
                _emitter.Byte(0x99);
                break;
            default:
                _emitter.Mov(HostRegister.Rax, accumulator);
                _emitter.Byte(0x48);
                _emitter.Byte(0x99);
                break;
        }
    }

    private void EmitCompareExchange(ref Step step)
    {
        HostRegister accumulator = RegisterMap.Of(RegisterMap.Rax);
        Instruction host = step.Source;
        host.Op1Register = RegisterMap.Name(RegisterMap.Of(RegisterMap.Number(host.Op1Register)), host.Op1Register);
        SetHostAddress(ref host, OperandDisplacement(ref step));
        _emitter.Mov(HostRegister.Rax, accumulator);
        _encoder.Encode(host, 0);
        _emitter.Mov(accumulator, HostRegister.Rax);
    }
}
