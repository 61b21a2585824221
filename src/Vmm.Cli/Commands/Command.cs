using Vmm.Cli.Arguments;

namespace Vmm.Cli.Commands;

/// <summary>One command of <c>vmm</c>.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Synopsis">What follows the name, for help.</param>
/// <param name="Summary">One line for help.</param>
/// <param name="Options">Its options.</param>
/// <param name="Run">Runs it and gives the exit status.</param>
/// <param name="Details">More for its own help, or empty.</param>
internal sealed record Command(string Name, string Synopsis, string Summary, IReadOnlyList<Option> Options, Func<ParsedArguments, Task<int>> Run, string Details = "");
