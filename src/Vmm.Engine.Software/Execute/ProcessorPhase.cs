namespace Vmm.Engine.Software.Execute;

/// <summary>What a processor's thread is at, for <see cref="PhaseClock"/>.</summary>
internal enum ProcessorPhase
{
    /// <summary>Not in the guest.</summary>
    Outside,

    /// <summary>In the run loop and the interpreter: decoding and page walks too.</summary>
    Interpreting,

    /// <summary>In translated code.</summary>
    Translated,

    /// <summary>Making translations.</summary>
    Translating,

    /// <summary>In the kernel and its plugins, for an exit.</summary>
    Exit,

    /// <summary>In the guest's HLT.</summary>
    Waiting,
}
