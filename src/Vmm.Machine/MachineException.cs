namespace Vmm.Machine;

/// <summary>
/// A machine that cannot be built as asked. The message is for the person who asked: what was wrong, where it stands,
/// and what would be right. The command line shows it as it is and ends with status 2.
/// </summary>
public sealed class MachineException(string message, Exception? cause = null) : Exception(message, cause);
