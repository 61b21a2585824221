namespace Vmm.Sdk.Tests.Options;

public sealed class OptionBinderTests
{
    public enum Flow
    {
        None,
        RtsCts,
    }

    public sealed record UartOptions
    {
        public ushort Port { get; init; } = 0x3F8;

        [OptionRange(1, 15), OptionDescription("ISA interrupt")]
        public int Line { get; init; } = 4;

        public bool ReadOnly { get; init; }

        public Flow FlowControl { get; init; } = Flow.None;

        public ulong Size { get; init; } = 4096;

        public string? Path { get; init; }

        public IReadOnlyList<int> Lines { get; init; } = [3, 4];

        public string[] Names { get; init; } = [];

        [OptionName("baud")]
        public int? Rate { get; init; }

        public double Share { get; init; } = 0.5;
    }

    public sealed record DiskOptions
    {
        public required string Path { get; init; }

        [OptionRequired]
        public int Sectors { get; init; }
    }

    private static UartOptions Bind(params (string, string)[] options) =>
        (UartOptions)new OptionBinder().Bind(typeof(UartOptions), new Given(options));

    private static string Refusal(params (string, string)[] options) =>
        Assert.Throws<OptionException>(() => Bind(options)).Message;

    [Fact]
    public void Initialisers_are_the_defaults()
    {
        UartOptions bound = Bind();
        Assert.Equal((0x3F8, 4, false, 4096UL), (bound.Port, bound.Line, bound.ReadOnly, bound.Size));
        Assert.Equal([3, 4], bound.Lines);
    }

    [Theory]
    [InlineData("1016")]
    [InlineData("0x3F8")]
    [InlineData("0X3f8")]
    public void Integers_are_decimal_or_hexadecimal(string text) => Assert.Equal(0x3F8, Bind(("port", text)).Port);

    [Theory]
    [InlineData("64K", 64UL << 10)]
    [InlineData("1m", 1UL << 20)]
    [InlineData("2G", 2UL << 30)]
    [InlineData("18446744073709551615", ulong.MaxValue)]
    [InlineData("0xFFFFFFFFFFFFFFFF", ulong.MaxValue)]
    [InlineData("9223372036854775807", (ulong)long.MaxValue)]
    public void Sizes_may_have_a_suffix(string text, ulong expected) => Assert.Equal(expected, Bind(("size", text)).Size);

    [Theory]
    [InlineData("on", true)]
    [InlineData("Yes", true)]
    [InlineData("true", true)]
    [InlineData("off", false)]
    [InlineData("no", false)]
    [InlineData("false", false)]
    public void Switches_take_the_words_that_people_use(string text, bool expected) => Assert.Equal(expected, Bind(("read-only", text)).ReadOnly);

    [Theory]
    [InlineData("flow-control", "rts-cts")]
    [InlineData("FlowControl", "RtsCts")]
    [InlineData("flowcontrol", "rtscts")]
    public void Names_match_without_case_and_hyphens(string key, string value) => Assert.Equal(Flow.RtsCts, Bind((key, value)).FlowControl);

    [Fact]
    public void A_list_is_one_value_with_commas() => Assert.Equal([1, 2, 0x10], Bind(("lines", "1, 2,0x10")).Lines);

    [Fact]
    public void A_list_is_numbered_keys_in_the_order_of_their_numbers() =>
        Assert.Equal(["zero", "one", "ten"], Bind(("names:10", "ten"), ("names:0", "zero"), ("names:1", "one")).Names);

    [Fact]
    public void An_option_may_have_a_name_of_its_own() => Assert.Equal(115_200, Bind(("baud", "115200")).Rate);

    [Fact]
    public void A_number_may_have_a_fraction() => Assert.Equal(0.25, Bind(("share", "0.25")).Share);

    [Fact]
    public void An_unknown_key_is_refused_with_the_nearest_and_all_known_ones() =>
        Assert.Equal(
            "pc.json: devices:com1: option 'prot': is not known; did you mean 'port'? (known: baud, flow-control, line, lines, names, path, port, read-only, share, size)",
            Refusal(("prot", "1")));

    [Theory]
    [InlineData("0x10000", "0x10000 is out of range: 0x0 to 0xFFFF")]
    [InlineData("-1", "-1 is out of range: 0 to 65535")]
    [InlineData("9223372036854775807T", "9223372036854775807T is out of range: 0 to 65535")]
    [InlineData("com1", "'com1' is not an integer")]
    [InlineData("", "'' is not an integer")]
    [InlineData("K", "'K' is not an integer")]
    public void A_bad_integer_is_refused_with_the_reason(string text, string reason) => Assert.Contains(reason, Refusal(("port", text)));

    [Fact]
    public void A_declared_range_bounds_a_value() => Assert.EndsWith("option 'line': 16 is out of range: 1 to 15", Refusal(("line", "16")));

    [Fact]
    public void A_bad_switch_is_refused() => Assert.EndsWith("'maybe' is neither on nor off", Refusal(("read-only", "maybe")));

    [Fact]
    public void A_bad_name_of_a_value_is_refused_with_the_nearest() =>
        Assert.EndsWith("'rts-ctx' is none of none, rts-cts; did you mean 'rts-cts'?", Refusal(("flow-control", "rts-ctx")));

    [Fact]
    public void An_option_given_twice_is_refused() => Assert.Contains("is one on|off, not a list", Refusal(("read-only", "on"), ("readonly", "off")));

    [Theory]
    [InlineData(typeof(DiskOptions), "path")]
    [InlineData(typeof(DiskOptions), "sectors")]
    public void A_required_option_is_demanded(Type type, string missing)
    {
        (string, string)[] others = [.. new[] { ("path", "a"), ("sectors", "1") }.Where(option => option.Item1 != missing)];
        var refusal = Assert.Throws<OptionException>(() => new OptionBinder().Bind(type, new Given(others)));
        Assert.Equal(missing, refusal.Key);
    }

    [Fact]
    public void The_options_describe_themselves()
    {
        IReadOnlyList<OptionInfo> options = new OptionBinder().Describe(typeof(UartOptions));
        Assert.Contains(new OptionInfo("line", "1..15", "4", "ISA interrupt"), options);
        Assert.Contains(new OptionInfo("flow-control", "none|rts-cts", "none", ""), options);
        Assert.Contains(options, option => option is { Name: "lines", Default: "3,4" });
        Assert.Null(new OptionBinder().Describe(typeof(DiskOptions))[0].Default);
    }

    [Fact]
    public void The_assembly_names_its_binder() =>
        Assert.Contains(
            typeof(OptionBinder).Assembly.GetCustomAttributes(typeof(OptionBinderAttribute), inherit: false),
            attribute => ((OptionBinderAttribute)attribute).Binder == typeof(OptionBinder));
}
