namespace Vmm.Cli.Arguments;

/// <summary>A command line that cannot be understood. The message is for people; the status is 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
