using System.Text;
using Vmm.Cli.Arguments;
using Vmm.Cli.Doctor;
using Vmm.Cli.Terminal;

namespace Vmm.Cli.Commands;

/// <summary><c>vmm doctor</c>: what the host offers to VMs, and what to do about what it does not.</summary>
internal static class DoctorCommand
{
    public static Command Command { get; } = new(
        "doctor", "", "Says what this host offers to virtual machines, and how to mend what it does not.", [], RunAsync);

    /// <summary>The report about a host.</summary>
    public static string Report(IEnumerable<Finding> findings)
    {
        StringBuilder text = new();
        foreach (Finding finding in findings)
        {
            text.Append($"{(finding.IsGood ? "ok  " : "--  ")}{finding.Subject,-26}{finding.Found}\n");
            if (finding.Fix.Length > 0)
            {
                text.Append($"{"",30}to mend it: {finding.Fix}\n");
            }
        }

        return text.ToString();
    }

    private static Task<int> RunAsync(ParsedArguments arguments)
    {
        if (arguments.Words is [var word, ..])
        {
            throw new UsageException($"'doctor' takes no arguments, so '{word}' says nothing to it.");
        }

        FileDescriptor.Write(FileDescriptor.StandardOutput, Encoding.UTF8.GetBytes(Report(HostChecks.All(HostView.Own))));
        return Task.FromResult(ExitStatus.Success);
    }
}
