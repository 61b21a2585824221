namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>The test has the named controls set; without names, those in its inline data.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SetsControlAttribute(params object[] controls) : Attribute
{
    public object[] Controls { get; } = controls;
}

/// <summary>The test has the named controls clear; without names, those in its inline data.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ClearsControlAttribute(params object[] controls) : Attribute
{
    public object[] Controls { get; } = controls;
}
