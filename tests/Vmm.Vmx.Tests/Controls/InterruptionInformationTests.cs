namespace Vmm.Vmx.Tests;

public sealed class InterruptionInformationTests
{
    [Fact]
    public void External_interrupt_encodes_as_the_SDM_says()
        => Assert.Equal(0x8000_0031u, InterruptionInformation.ExternalInterrupt(0x31).Value);

    [Fact]
    public void Nmi_encodes_with_vector_2() => Assert.Equal(0x8000_0202u, InterruptionInformation.Nmi.Value);

    [Theory]
    [InlineData(ExceptionVector.GeneralProtection, 0x8000_0B0Du)]
    [InlineData(ExceptionVector.PageFault, 0x8000_0B0Eu)]
    [InlineData(ExceptionVector.DoubleFault, 0x8000_0B08u)]
    [InlineData(ExceptionVector.AlignmentCheck, 0x8000_0B11u)]
    [InlineData(ExceptionVector.InvalidOpcode, 0x8000_0306u)]
    [InlineData(ExceptionVector.X87FloatingPoint, 0x8000_0310u)]
    [InlineData(ExceptionVector.MachineCheck, 0x8000_0312u)]
    public void Hardware_exception_delivers_an_error_code_exactly_where_its_vector_has_one(ExceptionVector vector, uint expected)
        => Assert.Equal(expected, InterruptionInformation.HardwareException(vector).Value);

    [Theory]
    [InlineData(InterruptionType.SoftwareInterrupt, 0x80, true)]
    [InlineData(InterruptionType.PrivilegedSoftwareException, 1, true)]
    [InlineData(InterruptionType.SoftwareException, 3, true)]
    [InlineData(InterruptionType.OtherEvent, 0, false)]
    public void Created_event_decodes_to_its_parts(InterruptionType type, byte vector, bool software)
    {
        InterruptionInformation information = InterruptionInformation.Create(type, vector);

        Assert.True(information.IsValid);
        Assert.Equal((type, vector, software, false), (information.Type, information.Vector, information.IsSoftware, information.DeliversErrorCode));
    }

    [Fact]
    public void Nmi_unblocking_is_bit_12()
        => Assert.Equal(0x8000_1B0Eu, InterruptionInformation.HardwareException(ExceptionVector.PageFault).WithNmiUnblocking().Value);

    [Theory]
    [InlineData(0x8000_0B0Du, "#GP")]
    [InlineData(0x8000_0202u, "NMI")]
    [InlineData(0x8000_0480u, "INT 0x80")]
    [InlineData(0x8000_0604u, "INTO")]
    [InlineData(0x8000_0603u, "INT3")]
    [InlineData(0x0000_0B0Du, "none")]
    public void Text_names_the_event(uint value, string text) => Assert.Equal(text, new InterruptionInformation(value).ToString());
}
