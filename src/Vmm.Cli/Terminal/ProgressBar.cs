using Vmm.Machine.Images;

namespace Vmm.Cli.Terminal;

/// <summary>Shows progress on standard error: a bar on a terminal, a line a step elsewhere.</summary>
internal sealed class ProgressBar : IProgress<ImageProgress>
{
    private const int Width = 30;
    private readonly bool _terminal = FileDescriptor.IsTerminal(FileDescriptor.StandardError);
    private string _step = "";

    public void Report(ImageProgress value)
    {
        if (_terminal)
        {
            int full = (int)Math.Round(Math.Clamp(value.Part, 0, 1) * Width);
            string end = value.Part >= 1 ? "\n" : "";
            Messages.Text($"\r\u001b[K[{new string('#', full)}{new string('.', Width - full)}] {value.Part,4:P0} {value.Step}{end}");
        }
        else if (value.Step != _step)
        {
            Messages.Line($"vmm: {value.Step}");
        }

        _step = value.Step;
    }
}
