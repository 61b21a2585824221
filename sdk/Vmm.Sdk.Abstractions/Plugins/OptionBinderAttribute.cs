namespace Vmm.Sdk;

/// <summary>
/// Names the type that turns option text into the typed options object a contribution's constructor asks for.
/// <c>Vmm.Sdk</c> carries one; because that assembly is private to each plugin, the host never sees the options type.
/// </summary>
/// <param name="binder">A public type with a parameterless constructor that implements <see cref="IOptionBinder"/>.</param>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class OptionBinderAttribute(Type binder) : Attribute
{
    /// <summary>The binder type.</summary>
    public Type Binder { get; } = binder;
}
