using Iced.Intel;
using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Guests;

/// <summary>A test that runs small guests of its own making.</summary>
public abstract class GuestTest : IDisposable
{
    private int _guests;

    private protected TemporaryFolder Folder { get; } = new();

    public void Dispose() => Folder.Dispose();

    /// <summary>Arguments that run a guest in a small machine.</summary>
    private protected IEnumerable<string> Arguments(Action<Assembler> code, params IEnumerable<string> more)
    {
        string kernel = Folder.Write($"guest{++_guests}.bin", GuestImage.Create(code));
        string[] memory = more.Contains("--memory") ? [] : ["--memory", "16M"];
        return ["run", "--kernel", kernel, .. memory, .. more];
    }

    private protected Task<VmmResult> RunAsync(Action<Assembler> code, params IEnumerable<string> more) => VmmProcess.RunAsync(Arguments(code, more));

    /// <summary>Checks how a run ended; the message of a failure is all that was said.</summary>
    private protected static void AssertStatus(int expected, VmmResult result) =>
        Assert.True(expected == result.Status, $"{result.CommandLine}\nended with status {result.Status}, not {expected}.\nOutput:\n{result.Output}\nErrors:\n{result.Errors}");
}
