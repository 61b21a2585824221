using System.Text;
using Vmm.Kernel;
using Vmm.Sdk;

namespace Vmm.Cli.Terminal;

/// <summary>What we have to say, on standard error, one line a message.</summary>
/// <param name="leastLevel">Messages below it are not shown.</param>
internal sealed class Messages(DeviceLogLevel leastLevel) : IHostLog
{
    private static readonly Lock Gate = new();

    /// <summary>Writes a line.</summary>
    public static void Line(string text) => Text(text + "\n");

    /// <summary>Writes text as it is, but for the line ends that a raw terminal needs.</summary>
    public static void Text(string text)
    {
        if (RawTerminal.IsActive)
        {
            text = text.Replace("\n", "\r\n", StringComparison.Ordinal);
        }

        try
        {
            lock (Gate)
            {
                FileDescriptor.Write(FileDescriptor.StandardError, Encoding.UTF8.GetBytes(text));
            }
        }
        catch (IOException)
        {
            // Nobody reads what we say; that is no reason to stop.
        }
    }

    public void Write(DeviceLogLevel level, string source, string message)
    {
        if (level >= leastLevel)
        {
            Line($"vmm: {source}: {message}");
        }
    }
}
