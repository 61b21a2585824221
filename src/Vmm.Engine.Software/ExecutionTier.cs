namespace Vmm.Engine.Software;

/// <summary>How the software engine runs guest code.</summary>
public enum ExecutionTier
{
    /// <summary>Interpreted, and translated to host code where it proves hot.</summary>
    Translator,

    /// <summary>Interpreted only: the reference, and all there is on hosts other than x86-64.</summary>
    Interpreter,

    /// <summary>Both, block by block, and compared: for finding faults of the translator.</summary>
    Lockstep,
}
