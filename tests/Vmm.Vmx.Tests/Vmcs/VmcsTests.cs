namespace Vmm.Vmx.Tests;

public sealed class VmcsTests
{
    private readonly Vmcs _vmcs = new(revision: 0x11);

    [Fact]
    public void Every_field_has_storage_of_its_own()
    {
        ulong number = 1;
        foreach (VmcsField field in VmcsFields.All)
        {
            _vmcs[field] = number++;
        }

        number = 1;
        foreach (VmcsField field in VmcsFields.All)
        {
            Assert.Equal(number++, _vmcs[field]);
        }
    }

    [Theory]
    [InlineData(VmcsField.GuestCsSelector, 0xFFFFul)]
    [InlineData(VmcsField.GuestCsLimit, 0xFFFF_FFFFul)]
    [InlineData(VmcsField.GuestIa32Efer, ulong.MaxValue)]
    [InlineData(VmcsField.GuestRip, ulong.MaxValue)]
    public void Vmwrite_drops_bits_above_the_width(VmcsField field, ulong expected)
    {
        Assert.True(_vmcs.Write(field, ulong.MaxValue).IsSuccess);
        Assert.True(_vmcs.Read(field, out ulong value).IsSuccess);
        Assert.Equal(expected, value);
    }

    [Fact]
    public void High_encoding_reads_and_replaces_bits_63_to_32()
    {
        const VmcsField High = VmcsField.TscOffset + 1;
        _vmcs.Write(VmcsField.TscOffset, 0x1111_1111_2222_2222);
        _vmcs.Write(High, 0xDEAD_0000_3333_3333);

        Assert.Equal(0x3333_3333_2222_2222ul, _vmcs[VmcsField.TscOffset]);
        _vmcs.Read(High, out ulong value);
        Assert.Equal(0x3333_3333ul, value);
    }

    [Theory]
    [InlineData(0x0006)]
    [InlineData(0x0001)]
    [InlineData(0x6C18)]
    [InlineData(0x2040)]
    [InlineData(0x8000)]
    [InlineData(0x1000)]
    public void Undefined_field_is_error_12(int encoding)
    {
        Assert.Equal(VmInstructionError.UnsupportedVmcsComponent, _vmcs.Read((VmcsField)encoding, out _).Error);
        Assert.Equal(VmInstructionError.UnsupportedVmcsComponent, _vmcs.Write((VmcsField)encoding, 1).Error);
        Assert.Equal(12ul, _vmcs[VmcsField.VmInstructionError]);
    }

    [Fact]
    public void Vmwrite_to_exit_information_is_error_13()
    {
        VmxResult result = _vmcs.Write(VmcsField.ExitQualification, 1);

        Assert.Equal(VmxResult.FailValid(VmInstructionError.VmwriteReadOnlyComponent), result);
        Assert.Equal(13ul, _vmcs[VmcsField.VmInstructionError]);
        Assert.Equal(0ul, _vmcs[VmcsField.ExitQualification]);
    }

    [Fact]
    public void Vmwrite_to_exit_information_succeeds_where_vmx_misc_allows_it()
    {
        Vmcs vmcs = new(revision: 1, readOnlyFieldsWritable: true);

        Assert.True(vmcs.Write(VmcsField.ExitQualification, 1).IsSuccess);
        Assert.Equal(1ul, vmcs[VmcsField.ExitQualification]);
    }
}
