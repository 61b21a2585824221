namespace Vmm.Sdk.Tests.Registers;

public sealed class BitFieldTests
{
    [Fact]
    public void A_field_is_read_at_bit_0() => Assert.Equal(0x5UL, new BitField(4, 3).Get(0xFF5F));

    [Fact]
    public void Setting_a_field_leaves_the_rest_and_drops_what_does_not_fit() =>
        Assert.Equal(0xFF2FUL, new BitField(4, 3).Set(0xFF5F, 0xA));

    [Fact]
    public void A_field_may_be_the_whole_register() => Assert.Equal(ulong.MaxValue, new BitField(0, 64).Mask);
}
