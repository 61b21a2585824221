namespace Vmm.Vmx.Tests;

public sealed class QualificationTests
{
    [Theory]
    [InlineData(0x3F8, 1, false, false, false, false, 0x03F8_0000ul, "OUT port 0x03F8, 1 byte")]
    [InlineData(0x3FD, 1, true, false, false, false, 0x03FD_0008ul, "IN port 0x03FD, 1 byte")]
    [InlineData(0xCFC, 4, true, false, false, false, 0x0CFC_000Bul, "IN port 0x0CFC, 4 bytes")]
    [InlineData(0x080, 1, false, false, false, true, 0x0080_0040ul, "OUT port 0x0080, 1 byte")]
    [InlineData(0x1F0, 2, true, true, true, false, 0x01F0_0039ul, "REP INS port 0x01F0, 2 bytes")]
    [InlineData(0x402, 1, false, true, false, false, 0x0402_0010ul, "OUTS port 0x0402, 1 byte")]
    public void Io_qualification_round_trips(ushort port, int size, bool isIn, bool isString, bool isRep, bool isImmediate, ulong value, string text)
    {
        IoQualification qualification = IoQualification.Create(port, size, isIn, isString, isRep, isImmediate);

        Assert.Equal(value, qualification.Value);
        Assert.Equal(
            (port, size, isIn, isString, isRep, isImmediate),
            (qualification.Port, qualification.Size, qualification.IsIn, qualification.IsString, qualification.IsRep, qualification.IsImmediate));
        Assert.Equal(text, qualification.ToString());
    }

    [Fact]
    public void Mov_to_cr_round_trips()
    {
        ControlRegisterQualification qualification = ControlRegisterQualification.MovTo(4, source: 10);

        Assert.Equal(0xA04ul, qualification.Value);
        Assert.Equal((4, ControlRegisterAccess.MovToCr, 10), (qualification.Register, qualification.Access, qualification.GeneralRegister));
        Assert.Equal("MOV CR4, R10", qualification.ToString());
    }

    [Fact]
    public void Mov_from_cr_round_trips()
    {
        ControlRegisterQualification qualification = ControlRegisterQualification.MovFrom(8, destination: 3);

        Assert.Equal(0x318ul, qualification.Value);
        Assert.Equal("MOV RBX, CR8", qualification.ToString());
    }

    [Fact]
    public void Clts_is_access_type_2_of_cr0() => Assert.Equal(0x20ul, ControlRegisterQualification.Clts.Value);

    [Fact]
    public void Lmsw_round_trips()
    {
        ControlRegisterQualification qualification = ControlRegisterQualification.Lmsw(0xFFF1, fromMemory: true);

        Assert.Equal(0xFFF1_0070ul, qualification.Value);
        Assert.Equal((ControlRegisterAccess.Lmsw, (ushort)0xFFF1, true), (qualification.Access, qualification.LmswSource, qualification.LmswFromMemory));
    }

    [Theory]
    [InlineData(7, false, 0, 0x007ul, "MOV DR7, RAX")]
    [InlineData(6, true, 15, 0xF16ul, "MOV R15, DR6")]
    public void Mov_dr_round_trips(int register, bool isRead, int general, ulong value, string text)
    {
        DebugRegisterQualification qualification = DebugRegisterQualification.Create(register, isRead, general);

        Assert.Equal(value, qualification.Value);
        Assert.Equal((register, isRead, general), (qualification.Register, qualification.IsRead, qualification.GeneralRegister));
        Assert.Equal(text, qualification.ToString());
    }

    [Fact]
    public void Ept_violation_round_trips()
    {
        EptViolationQualification qualification = EptViolationQualification.Create(
            EptAccess.Read | EptAccess.Write, EptAccess.Read, linearAddressValid: true, isTranslated: true, nmiUnblocking: true);

        Assert.Equal(0x118Bul, qualification.Value);
        Assert.Equal(EptAccess.Read | EptAccess.Write, qualification.Access);
        Assert.Equal(EptAccess.Read, qualification.Permissions);
        Assert.True(qualification.IsLinearAddressValid && qualification.IsTranslated && qualification.NmiUnblockingDueToIret);
    }

    [Fact]
    public void Ept_violation_of_a_page_walk_has_bit_8_clear()
    {
        EptViolationQualification qualification = EptViolationQualification.Create(EptAccess.Read, EptAccess.None, linearAddressValid: true, isTranslated: false);

        Assert.Equal(0x81ul, qualification.Value);
        Assert.Contains("page walk", qualification.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(TaskSwitchSource.Call, 0x0000_0028ul)]
    [InlineData(TaskSwitchSource.Iret, 0x4000_0028ul)]
    [InlineData(TaskSwitchSource.Jmp, 0x8000_0028ul)]
    [InlineData(TaskSwitchSource.TaskGateInIdt, 0xC000_0028ul)]
    public void Task_switch_round_trips(TaskSwitchSource source, ulong value)
    {
        TaskSwitchQualification qualification = TaskSwitchQualification.Create(0x28, source);

        Assert.Equal(value, qualification.Value);
        Assert.Equal((source, (ushort)0x28), (qualification.Source, qualification.TssSelector));
    }

    [Fact]
    public void Debug_exception_keeps_its_causes_and_drops_the_fixed_bits_of_dr6()
    {
        DebugExceptionQualification qualification = DebugExceptionQualification.Create(Dr6Bits.B1 | Dr6Bits.Bs | Dr6Bits.Bt | Dr6Bits.Fixed1);

        Assert.Equal(0x4002ul, qualification.Value);
        Assert.Equal(Dr6Bits.B1 | Dr6Bits.Bs, qualification.Causes);
    }

    [Fact]
    public void Instruction_information_of_outs_round_trips()
    {
        ExitInstructionInformation information = ExitInstructionInformation.String(addressSize: 8, SegmentRegister.Fs);

        Assert.Equal(0x0002_0100u, information.Value);
        Assert.Equal((8, SegmentRegister.Fs), (information.AddressSize, information.Segment));
    }

    [Fact]
    public void Instruction_information_of_rdrand_round_trips()
    {
        ExitInstructionInformation information = ExitInstructionInformation.Random(destination: 9, operandSize: 8);

        Assert.Equal(0x0000_1048u, information.Value);
        Assert.Equal((9, 8), (information.FirstRegister, information.OperandSize));
    }

    [Fact]
    public void Instruction_information_of_a_memory_operand_round_trips()
    {
        ExitInstructionInformation information = ExitInstructionInformation.Memory(4, SegmentRegister.Ds, baseRegister: 3, indexRegister: null, scale: 0, extra: 2);

        Assert.Equal((4, SegmentRegister.Ds, (int?)3, (int?)null, 2, false),
            (information.AddressSize, information.Segment, information.BaseRegister, information.IndexRegister, information.Extra, information.IsRegister));
    }

    [Fact]
    public void Instruction_information_of_a_register_operand_round_trips()
    {
        ExitInstructionInformation information = ExitInstructionInformation.Register(register: 12, extra: 1);

        Assert.Equal((true, 12, 1), (information.IsRegister, information.FirstRegister, information.Extra));
    }
}
