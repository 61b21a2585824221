using Iced.Intel;
using Vmm.EndToEnd.Tests.Guests;
using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.BadInput;

/// <summary>A test of input that <c>vmm</c> refuses: a message for people on standard error, nothing else, status 2.</summary>
public abstract class RefusalTest : GuestTest
{
    private const int Usage = 2;

    /// <summary>Runs the command and checks the refusal.</summary>
    /// <param name="arguments">What is wrong.</param>
    /// <param name="hints">What the message must say.</param>
    private protected static async Task AssertRefusedAsync(IEnumerable<string> arguments, params string[] hints) =>
        AssertRefused(await VmmProcess.RunAsync(arguments), hints);

    /// <summary>Checks that a run was a refusal.</summary>
    private protected static void AssertRefused(VmmResult result, params string[] hints)
    {
        AssertStatus(Usage, result);
        Assert.Empty(result.Output);
        Assert.StartsWith("vmm: ", result.Errors, StringComparison.Ordinal);
        Assert.All(hints, hint => Assert.Contains(hint, result.Errors, StringComparison.Ordinal));

        // No stack trace: it is not for people.
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }

    /// <summary>Checks the refusal of a machine with a guest that would run.</summary>
    private protected Task AssertMachineRefusedAsync(IEnumerable<string> arguments, params string[] hints) =>
        AssertRefusedAsync(Arguments(Idle, arguments), hints);

    /// <summary>A guest that says that it is up and does nothing.</summary>
    private protected static void Idle(Assembler a)
    {
        a.Send("up\n");
        a.Stop();
    }
}
