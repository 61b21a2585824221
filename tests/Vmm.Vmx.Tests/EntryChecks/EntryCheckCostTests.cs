namespace Vmm.Vmx.Tests;

public sealed class EntryCheckCostTests
{
    [Fact]
    public void Entry_that_passes_allocates_nothing()
    {
        Vmcs[] vmcss = [TestProcessor.LongModeVmcs(), TestProcessor.RealModeVmcs(), TestProcessor.PaeVmcs(), TestProcessor.Virtual8086Vmcs()];
        EntryCheckAssert.Passes(vmcss[0]);

        long before = GC.GetAllocatedBytesForCurrentThread();
        int failures = 0;
        for (int i = 0; i < 1000; i++)
        {
            failures += EntryCheckAssert.Checks.Check(vmcss[i & 3]) is null ? 0 : 1;
        }

        Assert.Equal((0, 0L), (failures, GC.GetAllocatedBytesForCurrentThread() - before));
    }
}
