namespace Vmm.Engine.Software;

/// <summary>What is counted of execution beyond what costs nothing.</summary>
public enum ExecutionCounting
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Translated blocks that run, and with them the jumps that stay in translated code.</summary>
    Blocks,
}
