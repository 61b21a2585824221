using System.Text;
using Vmm.Cli.Arguments;

namespace Vmm.Cli.Commands;

/// <summary>Help, made from what the parser uses.</summary>
internal static class Help
{
    private const int Column = 30;

    /// <summary>Help for the program.</summary>
    public static string Program(IReadOnlyList<Command> commands)
    {
        StringBuilder text = new("vmm: runs virtual machines whose devices are plugins\n\nCommands:\n");
        foreach (Command command in commands)
        {
            text.Append($"  vmm {command.Name} {command.Synopsis}".TrimEnd()).Append($"\n      {command.Summary}\n");
        }

        text.Append("""
              vmm COMMAND --help
                  Options of a command.
              vmm --version

            Status: 0 the guest powered off, or reset itself under --no-reboot; 2 bad usage or configuration;
            4 a fault of the host or a plugin stopped the guest; 6 triple fault under --no-reboot;
            odd values come from isa-debug-exit: a write of v gives (v << 1) | 1; 128 + n: ended by signal n.

            """);
        return text.ToString();
    }

    /// <summary>Help for a command.</summary>
    public static string For(Command command)
    {
        StringBuilder text = new($"vmm {command.Name} {command.Synopsis}".TrimEnd());
        text.Append($"\n\n{command.Summary}\n");
        if (command.Options.Count != 0)
        {
            text.Append("\nOptions:\n");
            foreach (Option option in command.Options)
            {
                string name = $"  --{option.Name}{(option.Value is null ? "" : " " + option.Value)}{(option.Repeatable ? " ..." : "")}";
                text.Append(name.Length < Column ? name.PadRight(Column) : name + "\n" + new string(' ', Column)).Append(option.Description).Append('\n');
            }
        }

        return text.Append(command.Details).ToString();
    }
}
