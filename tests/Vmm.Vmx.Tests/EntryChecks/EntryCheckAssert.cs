namespace Vmm.Vmx.Tests;

/// <summary>Runs the checks of <see cref="TestProcessor"/> and says what must come out.</summary>
internal static class EntryCheckAssert
{
    public static readonly VmEntryChecks Checks = new(TestProcessor.Capabilities(), static _ => 0);

    public static void Passes(Vmcs vmcs) => Assert.Null(Checks.Check(vmcs));

    public static VmEntryFailure Fails(Vmcs vmcs, VmEntryFailureKind kind, string section, VmcsField field, VmEntryChecks? checks = null)
    {
        VmEntryFailure? failure = (checks ?? Checks).Check(vmcs);

        Assert.NotNull(failure);
        Assert.Equal((kind, section, field), (failure.Kind, failure.Section, failure.Field));
        return failure;
    }
}
