using System.Text;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>
/// The exits of a guest, one line each, with everything that the two engines must agree on. What KVM's interface does not
/// tell is left out here, each time by the name of the difference that forces it.
/// </summary>
internal sealed class ExitTranscript
{
    private readonly List<string> _lines = [];

    public int Count { get; private set; }

    public IReadOnlyList<string> Lines => _lines;

    public void Add(in VmExit exit, GuestMachine machine)
    {
        Count++;
        if (!EngineDifferences.HidesExit(exit))
        {
            _lines.Add(Describe(exit, machine));
        }
    }

    public override string ToString() => string.Join('\n', _lines);

    private static string Describe(in VmExit exit, GuestMachine machine)
    {
        var text = new StringBuilder(exit.Reason.ToString());
        if (exit.EntryFailure)
        {
            text.Append(" entry failure");
        }

        switch (exit.Reason)
        {
            case ExitReason.IoInstruction:
                var io = new IoQualification(EngineDifferences.Comparable(new IoQualification(exit.Qualification)));
                text.Append($" {(io.IsIn ? "in" : "out")} port 0x{io.Port:x} {io.Size} bytes");
                break;
            case ExitReason.EptViolation:
                text.Append($" {new EptViolationQualification(exit.Qualification).Access} 0x{exit.GuestPhysicalAddress:x} {exit.Width} bytes");
                break;
            case ExitReason.Rdmsr or ExitReason.Wrmsr:
                text.Append($" 0x{machine.Processor.Registers.Rcx:x}");
                break;
            case ExitReason.ExceptionOrNmi:
                text.Append($" {new InterruptionInformation(exit.InterruptionInformation)}");
                break;
        }

        if (exit.Access != VmExitAccess.None)
        {
            text.Append($" {exit.Access} 0x{exit.Data & Mask(exit.Width):x}");
        }

        if (EngineDifferences.HasComparableRip(exit))
        {
            text.Append($" at 0x{machine[VmcsField.GuestRip]:x}");
        }

        return text.ToString();
    }

    private static ulong Mask(int width) => width >= 8 ? ulong.MaxValue : (1UL << (8 * width)) - 1;
}
