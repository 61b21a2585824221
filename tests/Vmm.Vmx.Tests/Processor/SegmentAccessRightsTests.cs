namespace Vmm.Vmx.Tests;

public sealed class SegmentAccessRightsTests
{
    [Fact]
    public void Descriptor_of_64_bit_code_gives_its_rights()
    {
        SegmentAccessRights rights = SegmentAccessRights.FromDescriptor(0x00AF_9B00_0000_FFFF);

        Assert.Equal(0xA09Bu, rights.Value);
        Assert.True(rights.IsLong && rights.IsGranular && rights.IsPresent && rights.IsCodeOrData && rights.IsCode && rights.IsAccessed);
        Assert.False(rights.IsBig);
    }

    [Fact]
    public void Created_rights_equal_those_of_the_descriptor()
        => Assert.Equal(0xC0F3u, SegmentAccessRights.Create(3, codeOrData: true, dpl: 3, big: true, granular: true).Value);

    [Fact]
    public void Unusable_is_bit_16()
    {
        Assert.Equal(0x1_0000u, SegmentAccessRights.Unusable.Value);
        Assert.False(SegmentAccessRights.Unusable.IsUsable);
    }

    [Theory]
    [InlineData(0x0000_7FFF_FFFF_FFFFul, true)]
    [InlineData(0xFFFF_8000_0000_0000ul, true)]
    [InlineData(0x0000_8000_0000_0000ul, false)]
    [InlineData(0xFFFF_7FFF_FFFF_FFFFul, false)]
    public void Canonical_addresses_repeat_bit_47(ulong address, bool canonical) => Assert.Equal(canonical, LinearAddress.IsCanonical(address));

    [Fact]
    public void Pat_accepts_exactly_the_six_memory_types_in_each_byte()
    {
        for (int position = 0; position < 64; position += 8)
        {
            for (ulong type = 0; type < 256; type++)
            {
                Assert.Equal(type is 0 or 1 or 4 or 5 or 6 or 7, PageAttributeTable.IsValid(type << position));
            }
        }

        Assert.True(PageAttributeTable.IsValid(PageAttributeTable.ResetValue));
    }
}
