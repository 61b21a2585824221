using Vmm.Sdk;

namespace Vmm.Vmx.Tests;

public sealed class ExitDescriptionTests
{
    [Fact]
    public void Io_exit_shows_port_width_and_data()
    {
        VmExit exit = new()
        {
            Reason = ExitReason.IoInstruction,
            Qualification = IoQualification.Create(0x3F8, 1, isIn: false).Value,
            Access = VmExitAccess.Write,
            Data = 0x41,
        };

        Assert.Equal("I/O instruction: OUT port 0x03F8, 1 byte, data 0x41", ExitDescription.Describe(exit));
    }

    [Fact]
    public void Page_fault_shows_error_code_and_address()
    {
        VmExit exit = new()
        {
            Reason = ExitReason.ExceptionOrNmi,
            Qualification = 0xFFFF_8880_0000_1000,
            InterruptionInformation = InterruptionInformation.HardwareException(ExceptionVector.PageFault).Value,
            InterruptionErrorCode = 2,
        };

        Assert.Equal("exception or NMI: #PF, error code 0x2, address 0xFFFF888000001000", ExitDescription.Describe(exit));
    }

    [Fact]
    public void Ept_violation_shows_the_guest_physical_address()
    {
        VmExit exit = new()
        {
            Reason = ExitReason.EptViolation,
            GuestPhysicalAddress = 0xFEE0_0000,
            Qualification = EptViolationQualification.Create(EptAccess.Write, EptAccess.None, linearAddressValid: true, isTranslated: true).Value,
        };

        Assert.Equal("EPT violation: Write refused, allowed: None at 0xFEE00000", ExitDescription.Describe(exit));
    }

    [Fact]
    public void Failed_entry_shows_what_its_qualification_means()
    {
        VmExit exit = new() { Reason = ExitReason.EntryFailureGuestState, EntryFailure = true, Qualification = 4 };

        Assert.Equal("VM-entry failure: invalid guest state: VMCS link pointer", ExitDescription.Describe(exit));
    }

    [Fact]
    public void Exit_without_detail_is_its_name()
        => Assert.Equal("HLT", ExitDescription.Describe(new VmExit { Reason = ExitReason.Hlt }));

    [Fact]
    public void Unknown_reason_is_shown_by_number()
        => Assert.Equal("reason 999", ((ExitReason)999).DisplayText);

    [Fact]
    public void Every_reason_has_a_text_of_its_own()
    {
        string[] texts = [.. Enum.GetValues<ExitReason>().Select(reason => reason.DisplayText)];

        Assert.Equal(texts.Length, texts.Distinct().Count());
    }
}
