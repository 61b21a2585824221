namespace Vmm.Engine.Software.Execute;

/// <summary>What other threads may ask of a processor, or it of itself; done before its next block.</summary>
internal enum ProcessorRequest
{
    /// <summary>Drop the write permissions that the TLB holds for a page, and report it as written if there were any.</summary>
    RevokeWrites,

    /// <summary>Drop decoded code of a range.</summary>
    InvalidateCode,

    /// <summary>Drop everything that depends on the regions of physical memory.</summary>
    InvalidateMappings,

    /// <summary>Drop all blocks, and begin the generations of their jumps anew.</summary>
    RestartGenerations,
}
