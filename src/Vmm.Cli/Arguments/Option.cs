namespace Vmm.Cli.Arguments;

/// <summary>A long option.</summary>
/// <param name="Name">Its name without the dashes.</param>
/// <param name="Value">How help calls its value; null for a switch.</param>
/// <param name="Description">One line for help.</param>
/// <param name="Repeatable">Whether it may be given several times.</param>
internal sealed record Option(string Name, string? Value, string Description, bool Repeatable = false);
