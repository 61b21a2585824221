using Vmm.Kernel;

namespace Vmm.Cli;

/// <summary>Exit statuses of the process, as documented in <c>vmm --help</c>.</summary>
internal static class ExitStatus
{
    public const int Success = 0;
    public const int Usage = 2;
    public const int Fault = 4;
    public const int TripleFault = 6;

    /// <summary>A process that a signal ends has 128 and its number, as shells show it.</summary>
    public const int SignalBase = 128;

    /// <summary>The status for an end of the guest.</summary>
    public static int Of(VmOutcome outcome) => outcome switch
    {
        VmOutcome.Exit exit => exit.Status,
        VmOutcome.TripleFault => TripleFault,
        VmOutcome.Faulted => Fault,
        _ => Success,
    };
}
