using System.Reflection;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>Every control that the capability MSRs announce has a test with it set and, where it may be 0, one with it clear.</summary>
public sealed class AnnouncedControlsTests
{
    private static readonly (Type Controls, uint CapabilityMsr)[] Fields =
    [
        (typeof(PinBasedControls), Msr.Ia32VmxTruePinbasedCtls),
        (typeof(PrimaryProcessorBasedControls), Msr.Ia32VmxTrueProcbasedCtls),
        (typeof(SecondaryProcessorBasedControls), Msr.Ia32VmxProcbasedCtls2),
        (typeof(VmExitControls), Msr.Ia32VmxTrueExitCtls),
        (typeof(VmEntryControls), Msr.Ia32VmxTrueEntryCtls),
    ];

    [Fact]
    public void Every_announced_control_is_set_in_a_test() =>
        Assert.Empty(Announced(allowed => allowed >> 32).Except(Named<SetsControlAttribute>(test => test.Controls)));

    [Fact]
    public void Every_control_that_may_be_0_is_clear_in_a_test() =>
        Assert.Empty(Announced(allowed => (allowed >> 32) & ~allowed).Except(Named<ClearsControlAttribute>(test => test.Controls)));

    // Low half of a capability MSR: what must be 1. High half: what may be (SDM Vol. 3D A.2).
    private static IEnumerable<object> Announced(Func<ulong, ulong> choose) =>
        from field in Fields
        let bits = (uint)choose(new SoftwareEngine().Capabilities.Msrs[field.CapabilityMsr])
        from object control in Enum.GetValues(field.Controls)
        where (bits & Convert.ToUInt32(control)) != 0
        select control;

    private static IEnumerable<object> Named<T>(Func<T, object[]> controls) where T : Attribute =>
        from type in typeof(AnnouncedControlsTests).Assembly.GetTypes()
        from method in type.GetMethods()
        let attribute = method.GetCustomAttribute<T>()
        where attribute is not null
        from control in controls(attribute) is { Length: not 0 } named ? named : InlineControls(method)
        select control;

    private static IEnumerable<object> InlineControls(MethodInfo method) =>
        from data in method.GetCustomAttributesData()
        where data.AttributeType == typeof(InlineDataAttribute)
        from argument in (IEnumerable<CustomAttributeTypedArgument>)data.ConstructorArguments[0].Value!
        where Fields.Any(field => field.Controls == argument.ArgumentType)
        select Enum.ToObject(argument.ArgumentType, argument.Value!);
}
